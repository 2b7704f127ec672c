// What to doubt, how uncertain the ranking is, and how to make the board again.
function listOf(pairs, total, name) {
  const rows = pairs.map(([where, text]) => html('tr', null, rowHead(html('code', null, where)), cell(text, {class: 'path'})));
  const left = total - pairs.length;
  return [table(name, [head('Where'), head('What')], rows), left > 0 && note(`${left} more are not listed here; see timetrial verify.`)].filter(Boolean);
}

// A command with a button that copies it.
function command(text) {
  const copy = (event) => {
    navigator.clipboard?.writeText(text);
    event.target.textContent = 'Copied';
  };
  return html('p', {class: 'command'}, html('code', null, text), ' ', html('button', {type: 'button', onclick: copy}, 'Copy'));
}

// In how many percent of the draws the row scores higher than the column.
function fasterTable() {
  const entries = shownEntries();
  const {faster} = view();
  const rows = entries.map((e) => html('tr', null, rowHead(named(e)), entries.map((other) => {
    if (e === other) return cell('·', {class: 'self'});
    const percent = faster[e][other];
    return cell(percent, {class: percent >= 100 * DATA.sure ? 'sure' : null});
  })));
  return [note(`Percent of ${DATA.draws} draws of ${DATA.drawn} in which the row’s entry scores higher than the column’s. A tie counts half. Values from ${Math.round(100 * DATA.sure)} on are marked.`),
    table('Percent of draws in which the row scores higher', [head('Higher than'), entries.map((e) => head(html('span', null, ENTRIES[e].name), {class: 'turned'}))], rows, {class: 'matrix'})];
}

function withoutTable() {
  const {score} = DATA.views[0];
  const places = (values) => values.map((x) => 1 + values.filter((y) => y > x + 1e-9).length);
  const before = places(score);
  const now = DATA.without.map(({scores}) => places(scores));
  const rows = shownEntries().map((e) => html('tr', null, rowHead(named(e)), cell(scoreText(score[e]), {class: 'n'}),
    DATA.without.map(({scores}, n) => cell([scoreText(scores[e]), now[n][e] !== before[e] && html('small', null, `rank ${now[n][e]}`)], {class: 'n'}))));
  return [note(`By ${DATA.views[0].label}. Shows how much the result depends on a single workload. Changed ranks are added.`),
    table('Scores without one workload', [head('Entry'), head('all', {class: 'n'}), DATA.without.map(({name}) => head(['without ', html('br'), breakable(name)], {class: 'n'}))], rows)];
}

function measuresTable() {
  const speeds = DATA.speeds;
  const value = (x) => cell(x === null ? '–' : ratioText(x), {class: 'n'});
  const rows = shownEntries().map((e) => html('tr', null, rowHead(named(e)),
    DATA.views.map(({score}) => cell(scoreText(score[e]), {class: 'n'})),
    value(speeds[e].geometric), value(speeds[e].arithmetic),
    cell([speeds[e].both === null ? '–' : ratioText(speeds[e].both), html('small', null, `on ${plural(speeds[e].shared, 'workload')}`)], {class: 'n'})));
  const against = ENTRIES[DATA.reference].name;
  return [note(`Scores of the same trials by each measure of effort, and the speed by ${DATA.views[0].label} against ${against} (2× is twice as fast). In the first two means, a miss takes the whole budget.`),
    table('Scores by each measure of effort, and speeds', [head('Entry'), DATA.views.map(({label}) => head(['score by ', html('br'), label], {class: 'n'})),
      head('geometric mean of speeds', {class: 'n'}), head('arithmetic mean', {class: 'n'}), head('where both reached', {class: 'n'})], rows, {class: 'wraps'})];
}

function sensitivityTable() {
  const rows = DATA.sensitivity.map((one) => html('tr', null, rowHead(named(one.entry)), cell(one.workload),
    cell(one.rates.map((rate) => Number(rate.toPrecision(3))).join(', ')),
    cell(one.metric === null ? '–' : metricText(one.metric), {class: 'n'}), cell(one.seconds === null ? '–' : effortText(one.seconds, DATA.views[0].unit), {class: 'n'})));
  return [note('How much worse a trial ends than the best trial, on average over the logarithm of the learning rates tried (Wortsman et al. 2023). At 0, the learning rate does not matter. In effort, a miss takes the whole budget.'),
    table('Sensitivity to the learning rate', [head('Entry'), head('Workload'), head('Rates'), head('In the metric', {class: 'n'}), head('In effort', {class: 'n'})], rows)];
}

function drawDoubts() {
  const {doubt} = DATA;
  const {counts} = doubt;
  const {uncertainty, faster} = view();
  const hashRows = doubt.hashes.map(([name, hash]) => html('tr', null, rowHead(name), cell(html('code', null, hash), {class: 'path'})));
  const versionRows = doubt.versions.map(([name, found]) => html('tr', null, rowHead(name),
    cell(found.map(([value, count]) => (found.length > 1 ? `${value} (${count} trials)` : value)).join('; '), {class: 'path'})));
  const openRows = doubt.open.map(([entry, workload, why]) => html('tr', null, rowHead(entry), cell(workload), cell(why, {class: 'path'})));
  drawn('doubt').replaceChildren(...[
    html('h3', null, 'Uncertainty of the ranking'),
    html('p', null, uncertainty || 'Fewer than two entries are ranked, so there are no neighbours to compare.'),
    faster && ENTRIES.length > 1 && folded('Pairwise comparisons', fasterTable),
    DATA.without.length > 1 && folded('Scores without one workload', withoutTable),
    folded('Scores by other measures', measuresTable),
    DATA.sensitivity.length && folded('Sensitivity to the learning rate', sensitivityTable),
    html('h3', null, 'Checks of these results'),
    html('p', null, `The clock: ${doubt.policy}. `, !doubt.checked ? 'timetrial verify was not run.' : counts.doubts
      ? `timetrial verify doubts ${plural(counts.doubts, 'thing')}.` : 'timetrial verify has no doubts.'),
    counts.doubts > 0 && folded(`Doubts (${counts.doubts})`, () => listOf(doubt.doubts, counts.doubts, 'What verify doubts')),
    counts.notes > 0 && folded(`Notes (${counts.notes})`, () => listOf(doubt.notes, counts.notes, 'What verify notes')),
    counts.problems > 0 && folded(`Files that could not be read, or were not expected (${counts.problems})`, () => listOf(doubt.problems, counts.problems, 'Problems')),
    counts.open > 0 && folded(`Open cells (${counts.open}): they count neither as hits nor as misses`, () => table('Open cells', [head('Entry'), head('Workload'), head('Why')], openRows)),
    html('h3', null, 'The same board again'),
    doubt.commands.map(command),
    folded('Machines and versions', () => table('Versions', [head('Part'), head('Version')], versionRows)),
    hashRows.length && folded('Hashes', () => table('Hashes', [head('Of'), head('SHA-256')], hashRows)),
  ].flat().filter((x) => x));
}
