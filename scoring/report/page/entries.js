// What each entry is: method, paper, points, costs, trials and source.
function fact(name, ...children) {
  const given = children.flat().filter(Boolean);
  return given.length ? html('div', null, html('dt', null, name), html('dd', null, given)) : null;
}

function pointText(point) {
  return point.length ? point.map(([name, value]) => `${name} ${value}`).join(', ') : 'none recorded';
}

function trialsTable(e) {
  const entry = ENTRIES[e];
  const rows = WORKLOADS.flatMap((row, w) => DATA.trials[e][w].map((trial, n) => html('tr', null,
    rowHead(row.name), cell(trial.study, {class: 'n'}), cell(trial.trial, {class: 'n'}),
    cell([trial.state, trial.reason && html('small', {class: 'wrap'}, trial.reason)]),
    cell(trial.seconds ? effortText(trial.seconds, DATA.views[0].unit) : '–', {class: 'n'}),
    cell(trial.steps.length ? grouped(trial.steps.at(-1)) : '–', {class: 'n'}),
    cell(metricText(trial.values.at(-1) ?? NaN), {class: 'n'}),
    cell(entry.points.length > 1 ? entry.point_of[w][n] + 1 : '–', {class: 'n'}),
    cell(html('code', null, trial.folder)))));
  return table(`Trials of ${entry.name}`, ['Workload', 'Study', 'Trial', 'Outcome', 'Effort', 'Steps', 'Last value', 'Point', 'Folder in the results, with its log'].map((text) => head(text)), rows, {class: 'trials'});
}

function entryParts(e) {
  const entry = ENTRIES[e];
  const sizes = WORKLOADS.map((row, w) => entry.optimizer[w] !== null && `${shortName(w)} ${sizeText(entry.optimizer[w])}`).filter(Boolean);
  const paper = entry.paper && html('a', {href: `https://arxiv.org/abs/${entry.paper}`, rel: 'noreferrer'}, `arXiv:${entry.paper}`);
  return [
    html('dl', {class: 'facts-of'},
      fact('Kind', entry.kind), fact('Paper', paper), fact('State', entry.state && `${entry.state} (by its own words)`),
      fact('State, measured', sizes.length ? `largest of all trials: ${sizes.join(', ')}` : ''),
      fact('Peak memory', entry.memory !== null && sizeText(entry.memory)),
      fact('Tuning', entry.effort),
      fact(entry.points.length > 1 ? `Points (${entry.points.length})` : 'Point', entry.points.length > 1
        ? html('ol', null, entry.points.map((point) => html('li', null, pointText(point)))) : pointText(entry.points[0] ?? []))),
    folded('Trials', () => trialsTable(e)),
    entry.source && folded('Source as it was raced', () => html('pre', {tabindex: '0'}, entry.source)),
  ];
}

function drawEntries() {
  const entries = shownEntries();
  const {band, rank} = view();
  drawn('entries').replaceChildren(...entries.map((e) => folded([
    sample(e), ' ', html('b', null, ENTRIES[e].name), ' ',
    html('span', null, line(`rank ${bandText(band[e], rank[e])}`, ENTRIES[e].kind !== 'others' && ENTRIES[e].kind, ENTRIES[e].about))],
  () => entryParts(e), {class: 'entry', id: `entry-${e}`})),
  entries.length < ENTRIES.length && note(`${entries.length} of ${ENTRIES.length} entries, as in the ranking.`) || '');
}
