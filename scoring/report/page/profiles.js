// Performance profiles (Dolan and Moré 2002): all in grey, the first and the
// chosen ones in colour, and the one under the pointer.
function profilePoints(e) {
  const {cells} = view();
  const ratios = SCORED.flatMap((w) => cells[e][w].ratios.map(time))
    .filter((ratio) => ratio <= DATA.cutoff).sort((x, y) => x - y);
  const count = SCORED.length * DATA.ladder.length;
  const points = [[1, 0]];
  ratios.forEach((ratio, n) => points.push([ratio, n / count], [ratio, (n + 1) / count]));
  points.push([DATA.cutoff, ratios.length / count]);
  return points;
}

function profileBand(e, across, up) {
  const {profile} = view();
  if (!profile) return null;
  const {taus, low, high} = profile;
  const there = taus.map((tau, n) => [across(tau), up(high[e][n])]);
  const back = taus.map((tau, n) => [across(tau), up(low[e][n])]).reverse();
  return svg('path', {class: 'area', d: `${path([...there, ...back])}Z`});
}

function drawProfiles() {
  const bright = coloured();
  const width = 900, height = 380, end = 690;
  const across = scale(1, DATA.cutoff, 54, end);
  const up = scale(0, 1, height - 40, 12);
  const order = ranked();
  const lines = order.map((e) => {
    const points = profilePoints(e).map(([x, y]) => [across(x), up(y)]);
    return {e, points, last: points.at(-1)[1]};
  });
  const labels = lines.filter(({e}) => bright.has(e));
  const places = apart(labels.map(({last}) => last), 15, up.end, up.start);
  const group = ({e, points}) => svg('g', {class: bright.has(e) ? 'one' : 'one grey', style: inkOf(e), 'data-entry': e},
    bright.has(e) && profileBand(e, across, up),
    svg('path', {class: 'curve', d: path(points), 'stroke-dasharray': bright.has(e) ? dashOf(e) : null}),
    svg('path', {class: 'touch', d: path(points), 'data-tip': `${ENTRIES[e].name}: score ${scoreText(view().score[e])}`, onclick: () => toggle('pick', ENTRIES[e].name)}));
  const words = (e) => `${ENTRIES[e].name} ${scoreText(view().score[e])}`;
  const short = (text) => (text.length > 28 ? `${text.slice(0, 27)}…` : text);
  const shares = ticks(up, 5).map((y) => [y, `${Math.round(100 * y)} %`]);
  const drawing = chart(width, height, `Performance profiles of ${plural(order.length, 'submission')}`,
    grid(across, ticks(across, 6).map((x) => [x, `${x}×`]), up, shares),
    lines.filter(({e}) => !bright.has(e)).map(group),
    lines.filter(({e}) => bright.has(e)).reverse().map(group),
    labels.map(({e, last}, n) => svg('g', {style: inkOf(e), class: 'label'},
      svg('path', {class: 'leader', d: path([[end, last], [end + 14, places[n]], [end + 22, places[n]]])}),
      svg('text', {class: 'name', x: end + 27, y: places[n] + 4}, short(words(e))))),
    svg('text', {class: 'axis', x: (across.start + end) / 2, y: height - 4, 'text-anchor': 'middle'}, `${view().label} to the target ÷ those of the fastest entry`));
  drawing.toggleAttribute('data-walk', true);
  drawn('profiles').replaceChildren(
    note(`Share of ${DATA.ladder.length > 1 ? 'workloads and targets' : 'workloads'} reached within a multiple of the fastest entry’s effort. The area under a curve is the score. The first ${Math.min(TOP, order.length)} are coloured; press a curve, or a name in the ranking, to colour another one.${view().profile ? ` Shades hold ${Math.round(100 * DATA.level)} % of the resampled profiles.` : ''}`),
    html('figure', {class: 'profile'}, drawing));
}
