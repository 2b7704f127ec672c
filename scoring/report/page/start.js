// Build the bar of choices, draw everything, and follow the address.
function select(key, label, options) {
  return html('label', null, html('span', null, label), html('select', {id: `choice-${key}`, onchange: (event) => choose({[key]: event.target.value})},
    options.map(([value, text]) => html('option', {value, selected: state[key] === value}, text))));
}

function drawBar() {
  const form = document.getElementById('choice');
  const focused = document.activeElement?.id;
  const kinds = [...new Set(ENTRIES.map(({kind}) => kind))].sort();
  const inSeconds = view().unit === 'seconds';
  const ways = Object.entries(SHOWN_AS).filter(([key]) => inSeconds || !['hours', 'price'].includes(key));
  if (focused !== 'choice-q') {  // Not while a search is typed.
    form.replaceChildren(...[
      select('effort', 'Effort', DATA.views.map(({key, label}) => [key, label])),
      select('as', 'shown as', ways),
      state.as === 'price' && html('label', null, html('span', null, 'price of an hour'), html('input', {id: 'choice-price', type: 'number', min: 0, step: 'any', value: state.price, onchange: (event) => choose({price: event.target.value})})),
      ENTRIES.length > 2 && html('label', null, html('span', null, 'Find'), html('input', {id: 'choice-q', type: 'search', value: state.q, placeholder: 'entry', oninput: (event) => choose({q: event.target.value})})),
      kinds.length > 1 && select('kind', 'Kind', [['', 'all kinds'], ...kinds.map((kind) => [kind, kind])]),
    ].filter((x) => x));
    if (focused) document.getElementById(focused)?.focus();
  }
  form.hidden = false;
}

function drawAll() {
  const focused = document.activeElement?.dataset?.sort;
  const pressed = document.activeElement?.closest?.('tr')?.dataset.entry;
  document.getElementById('headline').textContent = view().headline;
  drawBar();
  drawRanking();
  drawCompare();
  drawProfiles();
  drawWorkloads();
  drawEntries();
  drawDoubts();
  // The pressed button was drawn again; a keyboard goes on from the new one.
  if (focused) document.querySelector(`[data-sort="${CSS.escape(focused)}"]`)?.focus();
  else if (pressed) document.querySelector(`tr[data-entry="${pressed}"] button`)?.focus();
}

function goTo(id) {
  const section = document.getElementById(id);
  if (section) section.scrollIntoView({block: 'start'});
}

document.querySelector('#bar nav').addEventListener('click', (event) => {
  const link = event.target.closest('a');
  if (!link) return;
  event.preventDefault();
  state.at = link.hash.slice(1);
  writeAddress();
  goTo(state.at);
});
// Anchors and heads of tables stay below the bar, however high it is.
new ResizeObserver(([{target}]) => {
  const fixed = getComputedStyle(target).position === 'sticky';
  document.documentElement.style.setProperty('--bar', `${fixed ? target.offsetHeight : 0}px`);
}).observe(document.getElementById('bar'));
document.getElementById('choice').addEventListener('submit', (event) => event.preventDefault());
addEventListener('hashchange', () => {
  readAddress();
  drawAll();
  goTo(state.at);
});
readAddress();
drawAll();
requestAnimationFrame(() => goTo(state.at));
