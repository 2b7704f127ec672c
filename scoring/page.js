// Sorts a table by the column whose heading is pressed. The order that the page
// comes with is the ranking.
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
// Printed, everything is unfolded.
addEventListener('beforeprint', () => {
  document.querySelectorAll('details').forEach((d) => { d.open = true; });
});
