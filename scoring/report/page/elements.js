// Make elements of the page. Texts are always set as text, never as markup.
const SVG = 'http://www.w3.org/2000/svg';

// Set attributes, listeners (keys that begin with 'on') and children. Children
// that are null, undefined or false are left out.
function filled(node, facts, children) {
  for (const [key, value] of Object.entries(facts ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith('on')) node.addEventListener(key.slice(2), value);
    else node.setAttribute(key, value === true ? '' : value);
  }
  const given = children.flat(Infinity);
  node.append(...given.filter((x) => x !== null && x !== undefined && x !== false));
  return node;
}

const html = (tag, facts, ...children) =>
  filled(document.createElement(tag), facts, children);

const svg = (tag, facts, ...children) =>
  filled(document.createElementNS(SVG, tag), facts, children);

const drawn = (section) =>
  document.querySelector(`#${section} > .drawn`);

// A chart: an image with a name for those who do not see it.
const chart = (width, height, name, ...children) =>
  svg('svg', {viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': name},
    children);

const note = (...children) => html('p', {class: 'note'}, children);

// A table that scrolls sideways where it does not fit, and then says so.
function table(caption, heads, rows, facts = {}) {
  const node = html('table', facts,
    html('caption', {class: 'hidden'}, caption),
    html('thead', null, html('tr', null, heads)),
    html('tbody', null, rows));
  return html('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption}, node);
}

const head = (text, facts = {}, ...more) => html('th', {scope: 'col', ...facts}, text, more);
const rowHead = (...children) => html('th', {scope: 'row'}, children);
const cell = (text, facts = {}) => html('td', facts, text);

// A part that is drawn when it is opened for the first time.
function folded(summary, draw, facts = {}) {
  const inside = html('div', {class: 'inside'});
  const node = html('details', facts, html('summary', null, summary), inside);
  node.addEventListener('toggle', () => {
    if (node.open && !inside.childNodes.length) inside.append(...[draw()].flat());
  });
  return node;
}

// Break long names after underscores and slashes.
function breakable(name) {
  return name.split(/(?<=[_/])/).flatMap((part, n) =>
    n ? [document.createElement('wbr'), part] : [part]);
}

// Several texts in one line; empty ones are left out.
const line = (...texts) => texts.filter(Boolean).join(' · ');

const plural = (count, noun, many = `${noun}s`) => `${count} ${count === 1 ? noun : many}`;
