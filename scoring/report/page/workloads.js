// A part per workload, drawn when it is opened: times, curves and clock.
const ACCOUNTS = ['train', 'data', 'view', 'trace', 'overrun', 'compile', 'evaluate', 'checkpoint', 'record', 'restore', 'setup'];

// Lines and labels of an axis of efforts, for charts with a row per entry.
const effortGrid = (across, unit, height) =>
  svg('g', {class: 'grid', 'aria-hidden': 'true'}, effortTicks(across, unit, 6).map(([x, text]) => [
    svg('line', {x1: across(x), x2: across(x), y1: 0, y2: height - 22}),
    svg('text', {x: across(x), y: height - 6, 'text-anchor': 'middle'}, text)]));

// A row per entry with a mark per study. A miss is an arrow at the effort tried.
function timesChart(w, entries) {
  const {unit, budgets, studies} = view();
  const tried = (e, study) => Math.max(0, ...DATA.trials[e][w].filter((trial) => trial.study === study).map((trial) => efforts(trial).at(-1) ?? 0));
  const numbers = (e) => [...new Set(DATA.trials[e][w].map((trial) => trial.study))].sort((x, y) => x - y);
  const marks = entries.map((e) => studies[e][w].flatMap((times, n) => {
    if (!times) return [];
    const used = time(times[0]);
    const study = numbers(e)[n] ?? n;
    if (Number.isFinite(used)) return [{used, kind: 'hit', words: `study ${study}: reached in ${effortText(used, unit)}`}];
    const spent = tried(e, study);
    const kind = Number.isNaN(used) ? 'waiting' : 'censored';
    return [{used: spent, kind, words: `study ${study}: ${kind === 'waiting' ? 'open after' : 'not reached in'} ${effortText(spent, unit)}`}];
  }));
  const budget = time(budgets[w]);
  const last = Math.max(1e-9, ...marks.flat().map(({used}) => used), Number.isFinite(budget) ? budget : 0);
  const left = 170, width = 760, step = 22, height = step * entries.length + 26;
  const across = scale(0, last, left, width - 20);
  const rows = entries.map((e, n) => {
    const y = step * n + step / 2;
    const middle = time(view().cells[e][w].time);
    return svg('g', {style: inkOf(e)},
      svg('text', {class: 'name', x: left - 10, y: y + 4, 'text-anchor': 'end'}, ENTRIES[e].name.slice(0, 24)),
      svg('line', {class: 'track', x1: left, x2: across.end, y1: y, y2: y}),
      Number.isFinite(middle) && svg('line', {class: 'median', x1: across(middle), x2: across(middle), y1: y - 10, y2: y + 10, 'data-tip': `${ENTRIES[e].name}: median ${effortText(middle, unit)}`}),
      marks[n].map(({used, kind, words}, m) => {
        const at = y + (m - (marks[n].length - 1) / 2) * 4;
        const x = across(used);
        const tip = {'data-tip': `${ENTRIES[e].name}, ${words}`};
        if (kind === 'censored') return svg('path', {class: 'censored', d: `M${x} ${at - 4}V${at + 4}M${x} ${at}H${x + 11}M${x + 7} ${at - 3}L${x + 11} ${at}L${x + 7} ${at + 3}`, ...tip});
        return svg('circle', {class: kind === 'hit' ? 'dot' : 'waiting', cx: x, cy: at, r: 4, ...tip});
      }));
  });
  const drawing = chart(width, height, `Effort to the target on ${WORKLOADS[w].name}`,
    effortGrid(across, unit, height),
    Number.isFinite(budget) && svg('line', {class: 'budget', x1: across(budget), x2: across(budget), y1: 0, y2: height - 22}),
    rows);
  drawing.toggleAttribute('data-walk', true);
  return drawing;
}

const clockOrder = (e, w) => {
  const spent = DATA.clock[e][w];
  const names = [...ACCOUNTS, ...Object.keys(spent).filter((name) => !ACCOUNTS.includes(name))];
  return names.filter((name) => spent[name] > 0)
    .sort((x, y) => DATA.charged.includes(y) - DATA.charged.includes(x));
};

// One stacked bar per entry: charged accounts are filled, others hatched.
function clockChart(w, entries) {
  const some = entries.filter((e) => Object.keys(DATA.clock[e][w]).length);
  if (!some.length) return note('These trials have no accounts of the clock.');
  const left = 170, width = 760, step = 20, height = step * some.length + 26;
  const total = (e) => clockOrder(e, w).reduce((sum, name) => sum + DATA.clock[e][w][name], 0);
  const across = scale(0, Math.max(...some.map(total)), left, width - 20);
  const rows = some.map((e, n) => {
    let at = 0;
    return svg('g', null,
      svg('text', {class: 'name', x: left - 10, y: step * n + 14, 'text-anchor': 'end'}, ENTRIES[e].name.slice(0, 24)),
      clockOrder(e, w).map((name) => {
        const seconds = DATA.clock[e][w][name];
        const x = across(at);
        at += seconds;
        const charged = DATA.charged.includes(name);
        return svg('rect', {class: `account ${charged ? name : 'free'}`, x, y: step * n + 3, width: Math.max(0, across(at) - x - 0.6), height: step - 6,
          'data-tip': `${ENTRIES[e].name}, ${name}: ${secondsText(seconds)}, ${charged ? 'charged' : 'not charged'}`});
      }));
  });
  const seen = ACCOUNTS.filter((name) => DATA.charged.includes(name) && some.some((e) => DATA.clock[e][w][name] > 0));
  const drawing = chart(width, height, `Clock accounts on ${WORKLOADS[w].name}, mean seconds of a trial`,
    effortGrid(across, 'seconds', height), rows);
  drawing.toggleAttribute('data-walk', true);
  return [html('ul', {class: 'legend'}, seen.map((name) => html('li', null, html('i', {class: `account ${name}`}), name)),
    html('li', null, html('i', {class: 'account free'}), 'not charged: evaluations and the rest')), drawing];
}

function workloadParts(w) {
  const entries = shownEntries();
  return [
    html('h3', null, `${view().label[0].toUpperCase()}${view().label.slice(1)} to the target`),
    note('A dot is a study, a bar the median. An arrow is a study that missed, at the effort tried. The dashed line is the budget.'),
    html('figure', null, timesChart(w, entries)),
    html('h3', null, 'Training curves'),
    note('The metric on the validation split, one line a trial. The dotted line is the target. Coloured: the first and the chosen entries.'),
    html('figure', {'data-walk': true}, curves(w, entries, coloured())),
    html('h3', null, 'Clock accounts'),
    note('Mean seconds of a trial.'),
    html('figure', null, clockChart(w, entries)),
  ];
}

function drawWorkloads() {
  const {cells, budgets, unit} = view();
  const opened = listed('open');
  const parts = WORKLOADS.map((row, w) => {
    const best = ranked().find((e) => time(cells[e][w].ratios[0]) === 1);
    const reached = cells.filter((one) => one[w].state === 'reached').length;
    const budget = time(budgets[w]);
    const summary = [html('b', null, row.name), ' ', html('span', null, line(row.words,
      Number.isFinite(budget) && `budget ${effortText(budget, unit)}`,
      best !== undefined && `fastest: ${ENTRIES[best].name}, ${effortText(time(cells[best][w].time), unit)}`,
      `${reached} of ${ENTRIES.length} reached it`,
      row.held_out_of && `held out of ${row.held_out_of}`))];
    const part = folded(summary, () => workloadParts(w), {class: 'workload', 'data-workload': w});
    if (opened.includes(row.name)) part.open = true;
    part.addEventListener('toggle', () => {
      if (listed('open').includes(row.name) === part.open) return;
      const names = listed('open').filter((name) => name !== row.name);
      state.open = written(part.open ? [...names, row.name] : names);
      writeAddress();
    });
    return part;
  });
  drawn('workloads').replaceChildren(...parts);
}
