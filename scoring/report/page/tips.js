// Show what a mark means: under the pointer, on focus, and by arrow keys in a
// focused chart or table.
const tip = document.body.appendChild(html('div', {id: 'tip', role: 'status'}));
let marked = null;

function showTip(mark) {
  marked?.classList.remove('on');
  marked?.closest('.one')?.classList.remove('on');
  marked = mark;
  tip.classList.toggle('on', Boolean(mark));
  if (!mark) return;
  mark.classList.add('on');
  mark.closest('.one')?.classList.add('on');
  tip.textContent = mark.dataset.tip;
  const box = mark.getBoundingClientRect();
  const left = box.left + Math.min(box.width, 600) / 2 - tip.offsetWidth / 2;
  const above = box.top - tip.offsetHeight - 8;
  const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
  tip.style.left = `${Math.max(8, Math.min(left, room))}px`;
  tip.style.top = `${above > 4 ? above : box.bottom + 8}px`;
}

const markOf = (node) => node.closest?.('[data-tip]') ?? null;
document.addEventListener('pointerover', (event) => showTip(markOf(event.target)));
document.addEventListener('focusin', (event) => showTip(markOf(event.target)));
document.addEventListener('focusout', () => showTip(null));
document.addEventListener('scroll', () => marked && showTip(marked.isConnected ? marked : null), {passive: true, capture: true});

// Charts are drawn anew, so each is prepared when it comes.
new MutationObserver((changes) => {
  for (const {addedNodes} of changes) {
    for (const node of addedNodes) {
      const found = node.querySelectorAll?.('[data-walk]') ?? [];
      for (const one of node.matches?.('[data-walk]') ? [node, ...found] : found) one.setAttribute('tabindex', '0');
    }
  }
  if (marked && !marked.isConnected) showTip(null);
}).observe(document.querySelector('main'), {childList: true, subtree: true});

document.addEventListener('keydown', (event) => {
  if (event.key === 'Escape') showTip(null);
  const steps = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1};
  const chart = document.activeElement?.closest?.('[data-walk]');
  if (!steps[event.key] || chart !== document.activeElement || !chart) return;
  event.preventDefault();
  const marks = [...chart.querySelectorAll('[data-tip]')].filter((mark) => mark.getClientRects().length);
  const at = marks.indexOf(marked);
  const next = marks[at < 0 ? 0 : at + steps[event.key]];
  if (!next) return;
  next.scrollIntoView({block: 'nearest', inline: 'nearest', behavior: 'instant'});
  showTip(next);
});
