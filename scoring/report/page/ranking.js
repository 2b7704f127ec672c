// The first screen: the ranking as a dot plot beside a heat map of workloads.

// What a cell of the heat map says.
function cellText(e, w) {
  const {cells, unit} = view();
  const found = cells[e][w];
  if (found.state === 'open') return 'open';
  if (found.state === 'missed') return `${found.short > 0 ? `−${shareText(found.short)}` : 'miss'}${found.stopped ? '*' : ''}`;
  const used = time(found.time);
  const reference = time(cells[DATA.reference][w].time);
  const price = Number(state.price) || 0;
  if (state.as === 'speed') return ratioText(reference / used);
  if (state.as === 'hours' && unit === 'seconds') return (used / 3600).toPrecision(3);
  if (state.as === 'price' && unit === 'seconds') return (used / 3600 * price).toPrecision(3);
  const ratio = time(found.ratios[0]);
  if (state.as === 'ratio' && Number.isFinite(ratio)) return ratio.toFixed(2);
  return effortText(used, unit).replace(' steps', '').replace(' s', '');
}

// A forecast of what a miss would have needed, which is no result.
function takesText([low, high]) {
  const most = DATA.takes_most;
  const needed = low === null ? `more than ${most}` : high === null ? `${low} to more than ${most}` : `${low} to ${high}`;
  return `forecast, not a result: it would have needed ${needed} times its budget (90 %)`;
}

function cellWords(e, w) {
  const {cells, studies, unit} = view();
  const found = cells[e][w];
  const each = studies[e][w].filter((times) => times)
    .map(([first]) => (first === MISSED ? 'missed' : first === null ? 'open' : effortText(first, unit)));
  const near = found.ratios.filter((ratio) => Number.isFinite(time(ratio))).length;
  const {ladder} = DATA;
  const said = [found.state];
  if (found.state === 'reached') said.push(effortText(time(found.time), unit), `${ratioText(time(found.ratios[0]))} the fastest`);
  if (found.best !== undefined && found.best !== null) said.push(`best ${metricText(found.best)}`);
  if (found.short > 0) said.push(`${shareText(found.short)} short of the target`);
  if (found.outcome) said.push(`outcome ${found.outcome}`);
  if (found.state === 'missed' && DATA.takes[e][w]) said.push(takesText(DATA.takes[e][w]));
  if (found.stopped) said.push(`${plural(found.stopped, 'trial')} stopped by a forecast`);
  if (found.lost) said.push(`no credit: ${found.lost}`);
  if (found.projected) said.push('projected');
  if (each.length > 1) said.push(`studies: ${each.join(', ')}`);
  if (ladder.length > 1 && WORKLOADS[w].scored) said.push(`${near} of ${ladder.length} targets reached`);
  return `${ENTRIES[e].name} on ${WORKLOADS[w].name}: ${said.join('; ')}`;
}

function heatCell(e, w) {
  const found = view().cells[e][w];
  const ratio = time(found.ratios[0]);
  const counts = found.state === 'reached' && Number.isFinite(ratio) && !found.lost;
  const shade = counts ? 1 - Math.log(ratio) / Math.log(DATA.cutoff) : 0;
  const kind = found.state === 'reached' ? (ratio === 1 ? 'heat fastest' : 'heat') : `heat ${found.state}`;
  return cell(cellText(e, w), {
    class: kind, style: counts ? `--t:${(100 * shade).toFixed(0)}%` : null, 'data-tip': cellWords(e, w)});
}

// The score as a dot with its interval, from 0 to 1.
function scoreDot(e) {
  const {score, interval, best_case: best, rank} = view();
  const x = (value) => `${(2 + 96 * value).toFixed(2)}%`;
  const ends = interval[e];
  const words = `score ${scoreText(score[e])}${ends ? `, ${Math.round(100 * DATA.level)} % interval ${scoreText(ends[0])} to ${scoreText(ends[1])}` : ''}${rank[e] ? '' : `, at most ${scoreText(best[e])} with its open cells`}`;
  return svg('svg', {class: 'plot', role: 'img', 'aria-label': words, 'data-tip': `${ENTRIES[e].name}: ${words}`},
    svg('line', {class: 'track', x1: x(0), x2: x(1), y1: 11, y2: 11}),
    !rank[e] && svg('line', {class: 'possible', x1: x(score[e]), x2: x(best[e]), y1: 11, y2: 11}),
    ends && svg('line', {class: 'whisker', x1: x(ends[0]), x2: x(ends[1]), y1: 11, y2: 11}),
    svg('circle', {class: rank[e] ? 'score' : 'score hollow', cx: x(score[e]), cy: 11, r: 4.5}));
}

// The band of ranks as a bar from the first to the last place.
function rankBand(e) {
  const {band, rank} = view();
  if (!band[e]) return null;
  const x = (place) => `${(100 * place / ENTRIES.length).toFixed(2)}%`;
  return svg('svg', {class: 'band', 'aria-hidden': 'true'},
    svg('line', {class: 'track', x1: 0, x2: '100%', y1: 4, y2: 4}),
    svg('line', {class: 'whisker', x1: x(band[e][0] - 1), x2: x(band[e][1]), y1: 4, y2: 4}),
    svg('circle', {cx: x(rank[e] - 0.5), cy: 4, r: 2.5}));
}

// Columns by the key that is in the address: a value to sort by, best first.
function sortValue(e, key) {
  const {rank, score, cells} = view();
  if (key === 'rank') return rank[e] ?? Infinity;
  if (key === 'entry') return ENTRIES[e].name;
  if (key === 'score') return -score[e];
  if (key === 'reached') return -view().targets[e];
  const w = WORKLOADS.findIndex(({name}) => name === key);
  if (w < 0) return 0;
  const found = cells[e][w];
  if (found.state === 'reached') return time(found.time);
  return 1e12 * (found.state === 'missed' ? 1 + Math.max(0, found.short ?? 9) : 99);
}

function sorted(entries) {
  const down = state.sort.startsWith('-');
  const key = down ? state.sort.slice(1) : state.sort;
  const order = (x, y) => (typeof x === 'string' ? x.localeCompare(y) : x - y);
  const found = [...entries].sort((a, b) => order(sortValue(a, key), sortValue(b, key)) || 0);
  return down ? found.reverse() : found;
}

function sortHead(key, label, facts = {}) {
  const now = state.sort === key ? 'ascending' : state.sort === `-${key}` ? 'descending' : null;
  const press = () => choose({sort: now === 'ascending' ? `-${key}` : key});
  return html('th', {scope: 'col', 'aria-sort': now, ...facts},
    html('button', {type: 'button', 'data-sort': key, onclick: press}, label));
}

function rankingRow(e) {
  const {rank, band, score, interval, reached, targets} = view();
  const ends = interval[e];
  const scored = SCORED.length;
  const picked = chosen().includes(e);
  const many = DATA.ladder.length > 1;
  return html('tr', {class: rank[e] ? null : 'unranked', 'data-entry': e},
    cell([html('b', null, bandText(band[e], rank[e])), rankBand(e)], {class: 'rank'}),
    rowHead(html('button', {type: 'button', class: 'pick', 'aria-pressed': picked ? 'true' : 'false', 'data-tip': line(ENTRIES[e].about, 'press to colour it in all charts'),
      onclick: () => toggle('pick', ENTRIES[e].name)}, sample(e), ' ', ENTRIES[e].name)),
    cell(scoreDot(e), {class: 'dots'}),
    cell([scoreText(score[e]), ends && html('small', null, `${scoreText(ends[0])}–${scoreText(ends[1])}`), !rank[e] && html('small', null, 'so far')], {class: 'n'}),
    cell([`${reached[e]}/${scored}`, many && html('small', null, `${targets[e]}/${scored * DATA.ladder.length}`)], {class: 'n'}),
    WORKLOADS.map((_, w) => heatCell(e, w)));
}

function drawRanking() {
  const entries = sorted(shownEntries());
  const spread = view().faster !== null;
  const axis = svg('svg', {class: 'plot', 'aria-hidden': 'true'}, [0, 0.5, 1].map((x) =>
    svg('text', {x: `${2 + 96 * x}%`, y: 14, 'text-anchor': x ? (x === 1 ? 'end' : 'middle') : 'start'}, x)));
  const heads = [
    sortHead('rank', spread ? 'Ranks' : 'Rank'),
    sortHead('entry', 'Entry'),
    html('th', {scope: 'col', class: 'dots'}, spread ? `Score, ${Math.round(100 * DATA.level)} % interval` : 'Score', axis),
    sortHead('score', 'Score', {class: 'n'}),
    sortHead('reached', 'Reached', {class: 'n'}),
    WORKLOADS.map((row, w) => sortHead(row.name, html('span', null, shortName(w)), {
      class: row.held_out_of ? 'turned held' : 'turned',
      'data-tip': line(`${row.name}: ${row.words}`, row.held_out_of && `held out of ${row.held_out_of}`)})),
  ];
  const wide = WORKLOADS.length > 10 ? ' wide' : '';
  const ranking = table('Ranking, and results by workload', heads, entries.map(rankingRow), {class: `ranking${wide}`});
  ranking.toggleAttribute('data-walk', true);
  const hidden = ENTRIES.length - entries.length;
  const filtered = state.q || state.kind;
  const more = filtered
    ? html('button', {type: 'button', class: 'more', onclick: () => choose({q: '', kind: ''})}, `${plural(hidden, 'entry', 'entries')} filtered out; show them`)
    : ENTRIES.length > FEW + 2 && html('button', {type: 'button', class: 'more', onclick: () => choose({all: state.all ? '' : '1'})},
      state.all ? `Show the first ${FEW} and the reference` : `Show all ${ENTRIES.length} entries`);
  const words = state.as === 'ratio' ? 'Numbers are ratios to the fastest entry' : `Numbers: ${SHOWN_AS[state.as]}`;
  const key = html('p', {class: 'key'}, words, ` (${view().label}). `,
    html('span', {class: 'ramp', 'aria-hidden': 'true'}), ` fastest to ${DATA.cutoff} times as much. `,
    html('span', {class: 'swatch heat missed', 'aria-hidden': 'true'}), ' missed: how far the best value fell short. ',
    spread ? `Bars are ${Math.round(100 * DATA.level)} % intervals. Ranks that cannot be told apart form a band.` : 'One study: no intervals, so no difference is certain.');
  drawn('ranking').replaceChildren(key, ranking,
    html('div', {class: 'under'}, more, entries.length ? null : html('p', null, 'No entry fits this search.')));
}
