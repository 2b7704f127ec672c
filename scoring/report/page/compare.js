// Two entries side by side: by what factor, and how sure that is. The method is
// that of `timetrial verdict` (scoring/rank/versus.py).
const DRAWS = 1000;

// Equal seeds give equal draws (mulberry32, Tommy Ettinger 2017).
function randomNumbers(seed) {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function median(values) {
  const order = [...values].sort((x, y) => x - y);
  const half = order.length >> 1;
  return order.length % 2 ? order[half] : (order[half - 1] + order[half]) / 2;
}

function quantile(values, share) {
  const order = [...values].sort((x, y) => x - y);
  const at = share * (order.length - 1), low = Math.floor(at);
  return order[low] + (at - low) * ((order[low + 1] ?? order[low]) - order[low]);
}

const mean = (values) => values.reduce((sum, x) => sum + x, 0) / values.length;

// Logarithm of the ratio of two entries' times: the mean over targets. A miss
// takes the whole budget; NaN if a cell is open.
function logRatio(w, mine, other) {
  const limit = time(view().budgets[w]);
  return mean(DATA.ladder.map((_, rung) => {
    const [x, y] = [mine, other].map((studies) =>
      Math.min(limit, median(studies.map((times) => time(times[rung])))));
    const found = Math.log(x) - Math.log(y);
    return Number.isFinite(found) ? found : NaN;
  }));
}

const studiesOf = (e, w) => view().studies[e][w].filter((times) => times);

// Return {factor, low, high, cells: [{w, factor, low, high}]}, or null.
function versus(a, b) {
  const random = randomNumbers(1);
  const rows = SCORED.filter((w) => Number.isFinite(logRatio(w, studiesOf(a, w), studiesOf(b, w))));
  if (!rows.length) return null;
  const several = rows.some((w) => studiesOf(a, w).length > 1);
  const draws = rows.map((w) => {
    const [mine, other] = [studiesOf(a, w), studiesOf(b, w)];
    const known = logRatio(w, mine, other);
    if (!several) return Array(DRAWS).fill(known);
    return Array.from({length: DRAWS}, () => {
      const shares = mine.map(random);
      const fresh = DATA.paired && mine.length === other.length ? shares : other.map(random);
      const pick = (studies, numbers) => numbers.map((x) => studies[Math.floor(x * studies.length)]);
      return logRatio(w, pick(mine, shares), pick(other, fresh));
    });
  });
  const means = Array.from({length: DRAWS}, (_, n) =>
    mean(rows.map(() => draws[Math.floor(random() * rows.length)][n])));
  const edges = [(1 - DATA.level) / 2, (1 + DATA.level) / 2];
  const ends = (values) => edges.map((share) => Math.exp(quantile(values.filter(Number.isFinite), share)));
  const [low, high] = ends(means);
  return {
    low, high, several,
    factor: Math.exp(mean(rows.map((w) => logRatio(w, studiesOf(a, w), studiesOf(b, w))))),
    cells: rows.map((w, n) => {
      const [least, most] = several ? ends(draws[n]) : [null, null];
      return {w, factor: Math.exp(logRatio(w, studiesOf(a, w), studiesOf(b, w))), low: least, high: most};
    }),
  };
}

function pair() {
  const order = ranked();
  const a = indexOf(state.a) >= 0 ? indexOf(state.a) : order[0];
  const other = a === DATA.reference ? order.find((e) => e !== a) : DATA.reference;
  return [a, indexOf(state.b) >= 0 ? indexOf(state.b) : other ?? a];
}

function entrySelect(key, now, label) {
  const names = [...ENTRIES].map(({name}) => name).sort();
  return html('label', null, label, ' ', html('select', {id: `compare-${key}`, onchange: (event) => choose({[key]: event.target.value})},
    names.map((name) => html('option', {value: name, selected: name === ENTRIES[now].name}, name))));
}

function verdictText(a, b, found) {
  const {cells, label} = view();
  const [x, y] = [ENTRIES[a].name, ENTRIES[b].name];
  if (!found) return `${x} and ${y} have no workload in common.`;
  const percent = Math.round(100 * DATA.level);
  const reaches = (e, w) => cells[e][w].state === 'reached';
  const gained = SCORED.filter((w) => reaches(a, w) && !reaches(b, w));
  const lost = SCORED.filter((w) => reaches(b, w) && !reaches(a, w));
  const less = found.cells.filter(({factor}) => factor < 1).length;
  const more = found.cells.filter(({factor}) => factor > 1).length;
  const only = (name, list) => list.length ? ` Only ${name} reaches the exact target of ${list.map(shortName).join(', ')}.` : '';
  const drawn = found.several ? 'workloads and studies' : 'workloads';
  const sure = found.low <= 1 && found.high >= 1 ? ' The interval holds 1, so neither is faster for certain.' : '';
  return `${x} takes ${found.factor.toFixed(2)} times the ${label} of ${y} (${percent} % interval ${found.low.toFixed(2)} to ${found.high.toFixed(2)}; ${drawn} drawn again).${sure} `
    + `It is faster on ${less}, slower on ${more} of ${plural(found.cells.length, 'workload')}.${only(x, gained)}${only(y, lost)}`;
}

function drawCompare() {
  if (ENTRIES.length < 2) {
    document.getElementById('compare').hidden = true;
    return;
  }
  const [a, b] = pair();
  const found = versus(a, b);
  const values = found ? found.cells.flatMap(({factor, low, high}) => [factor, low ?? factor, high ?? factor]) : [];
  const reach = Math.max(1.5, ...values.map((x) => Math.max(x, 1 / x)));
  const across = scale(1 / reach, reach, 2, 98, true);
  const at = (x) => `${across(x).toFixed(2)}%`;
  const percent = Math.round(100 * DATA.level);
  const rows = (found?.cells ?? []).map(({w, factor, low, high}) => html('tr', null,
    rowHead(breakable(WORKLOADS[w].name)),
    cell(svg('svg', {class: 'plot', role: 'img', 'aria-label': `${factor.toFixed(2)}`},
      svg('line', {class: 'one', x1: at(1), x2: at(1), y1: 0, y2: 22}),
      low !== null && svg('line', {class: 'whisker', x1: at(low), x2: at(high), y1: 11, y2: 11}),
      svg('circle', {class: 'score', cx: at(factor), cy: 11, r: 4.5})), {class: 'dots'}),
    cell([factor.toFixed(2), low !== null && html('small', null, `${low.toFixed(2)}–${high.toFixed(2)}`)], {class: 'n'}),
    [a, b].map((e) => cell(view().cells[e][w].state === 'reached' ? effortText(time(view().cells[e][w].time), view().unit) : cellText(e, w), {class: `n heat ${view().cells[e][w].state}`, 'data-tip': cellWords(e, w)}))));
  const axis = svg('svg', {class: 'plot', 'aria-hidden': 'true'}, ticks(across, 5).map((x) =>
    svg('text', {x: at(x), y: 14, 'text-anchor': 'middle'}, `${x}×`)));
  const open = document.querySelector('#compare details')?.open;
  const both = folded('Training curves of both', () => html('div', {class: 'panels'},
    WORKLOADS.map((row, w) => html('figure', null, html('figcaption', null, `${row.name}: ${row.words}`),
      curves(w, [a, b], new Set([a, b]), {width: 380, height: 230})))));
  drawn('compare').replaceChildren(
    html('p', {class: 'pair'}, entrySelect('a', a, 'Entry'), ' ', entrySelect('b', b, 'against'), ' ',
      html('button', {type: 'button', onclick: () => choose({a: ENTRIES[b].name, b: ENTRIES[a].name})}, 'Swap')),
    html('p', {class: 'verdict', 'aria-live': 'polite'}, verdictText(a, b, found)),
    table(`${ENTRIES[a].name} against ${ENTRIES[b].name}`, [
      head('Workload'), head(`Ratio of ${view().label}: left of the line, ${ENTRIES[a].name} is faster`, {class: 'dots'}, axis),
      head(found?.several ? `Ratio, ${percent} % interval` : 'Ratio', {class: 'n'}), head([named(a)], {class: 'n'}), head([named(b)], {class: 'n'})], rows, {class: 'compared'}),
    both);
  if (open) both.open = true;
}
