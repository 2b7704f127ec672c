// Sort a table by the column whose heading is pressed. The page's own order is
// the ranking.
for (const table of document.querySelectorAll('table.sortable')) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, index) => {
    const button = head.querySelector('button');
    if (!button) return;
    button.addEventListener('click', () => {
      const now = head.getAttribute('aria-sort');
      const up = now ? now === 'descending' : head.dataset.first !== 'descending';
      heads.forEach((other) => other.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
      const value = (row) => row.cells[index].dataset.value;
      const compare = (a, b) => {
        const x = value(a), y = value(b);
        if (x === '' || y === '') return (x === '') - (y === '');  // Last.
        const order = isNaN(x) || isNaN(y) ? x.localeCompare(y) : x - y;
        return up ? order : -order;
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
}

// Show the checked submissions. One style rule hides all elements of the other
// submissions, which is fast for any number of trials.
const filter = document.getElementById('filter');
if (filter) {
  const rule = document.head.appendChild(document.createElement('style'));
  const boxes = [...filter.querySelectorAll('input')];
  const renew = () => {
    const hidden = boxes.filter((box) => !box.checked);
    const names = hidden.map((box) => `[data-who="${box.value}"]`);
    rule.textContent = names.length ? `${names}{display:none!important}` : '';
    const count = boxes.length - hidden.length;
    filter.querySelector('output').textContent = `${count} of ${boxes.length}`;
  };
  filter.addEventListener('change', renew);
  filter.addEventListener('click', (event) => {
    if (event.target.tagName !== 'BUTTON') return;
    boxes.forEach((box) => { box.checked = event.target.value === 'all'; });
    renew();
  });
  filter.addEventListener('submit', (event) => event.preventDefault());
  filter.hidden = false;
  renew();
}

// Show the values of marks and chips: under the pointer, on focus, and by arrow
// keys in a focused chart. Without this script, the browser shows titles.
const tip = document.body.appendChild(document.createElement('div'));
tip.id = 'tip';
tip.setAttribute('role', 'status');
let shown = null;
const marked = (node) => node.closest?.('[data-tip], [title], svg :has(> title)');
const words = (mark) => {
  const title = mark.querySelector(':scope > title');
  const text = title?.textContent || mark.getAttribute('title');
  if (text) {  // Without the title, the browser shows no second tip.
    mark.dataset.tip = text;
    mark.setAttribute('aria-label', text);
    mark.removeAttribute('title');
    title?.remove();
  }
  return mark.dataset.tip;
};
const show = (mark) => {
  shown?.classList.remove('on');
  shown = mark;
  tip.classList.toggle('on', Boolean(mark));
  if (!mark) return;
  mark.classList.add('on');
  tip.textContent = words(mark);
  const box = mark.getBoundingClientRect();
  const left = box.left + Math.min(box.width, 600) / 2 - tip.offsetWidth / 2;
  const above = box.top - tip.offsetHeight - 8;
  const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
  tip.style.left = `${Math.max(8, Math.min(left, room))}px`;
  tip.style.top = `${above > 4 ? above : box.bottom + 8}px`;
};
document.addEventListener('pointerover', (event) => show(marked(event.target)));
document.addEventListener('focusin', (event) => show(marked(event.target)));
document.addEventListener('focusout', () => show(null));
document.addEventListener('scroll', () => shown && show(shown), {passive: true});
for (const chart of document.querySelectorAll('[data-walk]')) {
  chart.tabIndex = 0;
  chart.setAttribute('role', 'group');
  chart.addEventListener('keydown', (event) => {
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1};
    if (event.key === 'Escape') show(null);
    if (!step[event.key]) return;
    event.preventDefault();
    const found = 'svg [data-tip], svg :has(> title)';
    const marks = [...chart.querySelectorAll(found)]
      .filter((mark) => mark.getClientRects().length);
    const at = marks.indexOf(shown);
    const next = at < 0 ? 0 : at + step[event.key];
    if (marks[next]) {
      marks[next].scrollIntoView({block: 'nearest', behavior: 'instant'});
      show(marks[next]);
    }
  });
}

// Unfold all parts for printing.
let folded = [];
addEventListener('beforeprint', () => {
  folded = [...document.querySelectorAll('details:not([open])')];
  folded.forEach((part) => { part.open = true; });
});
addEventListener('afterprint', () => {
  folded.forEach((part) => { part.open = false; });
});
