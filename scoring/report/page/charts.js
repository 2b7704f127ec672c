// Scales, axes and marks of charts.

// Map values to pixels. `log` needs values above 0.
function scale(low, high, start, end, log = false) {
  const f = log ? Math.log : (x) => x;
  const place = (x) => start + (end - start) * (f(x) - f(low)) / (f(high) - f(low) || 1);
  return Object.assign(place, {low, high, start, end, log});
}

// Round values inside a range, at most `count` of them.
function ticks({low, high, log}, count = 5) {
  if (log && high / low > 4) {
    const found = [];
    for (let e = Math.floor(Math.log10(low)); e <= Math.log10(high); e++) {
      for (const n of [1, 2, 5]) found.push(n * 10 ** e);
    }
    const inside = found.filter((x) => x >= low && x <= high);
    return inside.filter((_, n) => n % Math.ceil(inside.length / count) === 0);
  }
  const rough = (high - low) / count || 1;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * size).find((s) => s >= rough * 0.999);
  const first = Math.ceil(low / step);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({length: Math.max(0, last - first + 1)}, (_, n) =>
    Number(((first + n) * step).toPrecision(12)));
}

// Ticks of an axis of efforts, with words; hours for long races.
function effortTicks(axis, unit, count = 5) {
  if (unit === 'steps') return ticks(axis, count).map((x) => [x, grouped(x)]);
  if (axis.high < 20000) return ticks(axis, count).map((x) => [x, `${x} s`]);
  const hours = {low: axis.low / 3600, high: axis.high / 3600};
  return ticks(hours, count).map((x) => [3600 * x, `${x} h`]);
}

// Grid lines and labels: [[value, text], ...] for each axis.
function grid(across, acrossTicks, up, upTicks) {
  return svg('g', {class: 'grid', 'aria-hidden': 'true'},
    acrossTicks.map(([x, text]) => [
      svg('line', {x1: across(x), x2: across(x), y1: up.start, y2: up.end}),
      svg('text', {x: across(x), y: up.start + 16, 'text-anchor': 'middle'}, text)]),
    upTicks.map(([y, text]) => [
      svg('line', {x1: across.start, x2: across.end, y1: up(y), y2: up(y)}),
      svg('text', {x: across.start - 7, y: up(y) + 4, 'text-anchor': 'end'}, text)]));
}

const path = (points) =>
  points.map(([x, y], n) => `${n ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`).join('');

// Colour and dash of an entry, the same on every board.
const inkOf = (e) => `--hue:${ENTRIES[e].hue}`;
const dashOf = (e) => DATA.dashes[ENTRIES[e].dash];

// A short line as in the charts, for the name beside it.
function sample(e) {
  return svg('svg', {class: 'sample', viewBox: '0 0 22 8', style: inkOf(e), 'aria-hidden': 'true'},
    svg('line', {x1: 1, x2: 21, y1: 4, y2: 4, 'stroke-dasharray': dashOf(e)}));
}

const named = (e) => [sample(e), ' ', breakable(ENTRIES[e].name)];

// Put labels at least `gap` apart, as near to their places as possible.
function apart(places, gap, low, high) {
  const order = places.map((_, n) => n).sort((a, b) => places[a] - places[b]);
  const found = [];
  let floor = low;
  for (const n of order) floor = (found[n] = Math.max(places[n], floor)) + gap;
  let ceiling = Math.max(high, low + gap * (places.length - 1));
  for (const n of order.reverse()) ceiling = (found[n] = Math.min(found[n], ceiling)) - gap;
  return found;
}

// Curves of trials on a workload over each other; `bright` entries have colour.
function curves(w, entries, bright, {width = 760, height = 300} = {}) {
  const row = WORKLOADS[w];
  const {unit, budgets, label} = view();
  const trials = entries.flatMap((e) => DATA.trials[e][w].map((trial) => [e, trial]));
  const ends = trials.map(([, trial]) => efforts(trial).at(-1) ?? 0);
  const budget = time(budgets[w]);
  const last = Math.max(1e-9, ...ends, Number.isFinite(budget) ? budget : 0);
  const across = scale(0, 1.02 * last, 58, width - 10);
  const up = scale(row.low, row.high, height - 34, 10, row.log);
  const inside = (y) => Math.min(up.start, Math.max(up.end, y));
  const lines = trials.map(([e, trial]) => {
    const xs = efforts(trial);
    const points = trial.values.map((y, n) => [across(xs[n]), inside(up(y))]);
    const words = `${ENTRIES[e].name}, study ${trial.study}, trial ${trial.trial}: ${trial.state}`;
    const colour = bright.has(e);
    return [colour, svg('g', {class: colour ? 'one' : 'one grey', style: inkOf(e)},
      svg('path', {class: 'curve', d: path(points), 'stroke-dasharray': colour ? dashOf(e) : null, 'data-tip': words}),
      trial.hit !== null && points[trial.hit] && svg('circle', {class: 'dot', cx: points[trial.hit][0], cy: points[trial.hit][1], r: 3.5,
        'data-tip': `${words} at ${effortText(xs[trial.hit], unit)}`}))];
  });
  lines.sort(([a], [b]) => a - b);  // Coloured ones are drawn above grey ones.
  return chart(width, height, `Training curves on ${row.name}`,
    grid(across, effortTicks(across, unit), up, ticks(up).map((y) => [y, metricText(y)])),
    row.target !== null && svg('line', {class: 'target', x1: across.start, x2: across.end, y1: up(row.target), y2: up(row.target)}),
    Number.isFinite(budget) && svg('line', {class: 'budget', x1: across(budget), x2: across(budget), y1: up.start, y2: up.end}),
    lines.map(([, one]) => one),
    svg('text', {class: 'axis', x: (across.start + across.end) / 2, y: height - 2, 'text-anchor': 'middle'}, `${row.metric} by ${label}`));
}
