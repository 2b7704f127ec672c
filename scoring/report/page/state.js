// What a reader has chosen. All of it is in the address, so a view can be sent:
// #SECTION&effort=steps&as=speed&pick=soap,muon ...
const DATA = JSON.parse(document.getElementById('data').textContent);
const ENTRIES = DATA.entries;
const WORKLOADS = DATA.workloads;
const SCORED = WORKLOADS.map((_, w) => w).filter((w) => WORKLOADS[w].scored);
const FEW = 10;  // Entries that are shown at first, beside the reference.
const TOP = 3;  // Entries that are coloured without being chosen.
const MISSED = -1;  // A time in DATA that stands for infinity; null is open.

const FIRST = {  // Where nothing is chosen.
  effort: DATA.views[0].key, as: 'ratio', price: '', all: '', q: '', kind: '',
  pick: '', sort: 'rank', a: '', b: '', open: '', at: '',
};
const state = {...FIRST};
const SHOWN_AS = {
  ratio: 'ratio to the fastest',
  effort: 'time or steps',
  speed: `speed against ${ENTRIES[DATA.reference].name}`,
  hours: 'hours',
  price: 'price',
};

function readAddress() {
  Object.assign(state, FIRST);
  const parts = location.hash.slice(1).split('&');
  for (const part of parts) {
    const [key, value] = part.split('=');
    try {
      if (value === undefined) state.at = decodeURIComponent(key);
      else if (key in FIRST) state[key] = decodeURIComponent(value);
    } catch { /* A broken address chooses nothing. */ }
  }
  if (!DATA.views.some((view) => view.key === state.effort)) state.effort = FIRST.effort;
  if (!(state.as in SHOWN_AS)) state.as = FIRST.as;
}

function writeAddress() {
  const chosen = Object.keys(FIRST)
    .filter((key) => key !== 'at' && state[key] !== FIRST[key])
    .map((key) => `${key}=${encodeURIComponent(state[key])}`);
  const address = [state.at, ...chosen].filter((x) => x).join('&');
  history.replaceState(null, '', `#${address}`);
}

// Change what is chosen, and draw the page again.
function choose(changes) {
  Object.assign(state, changes);
  writeAddress();
  drawAll();
}

const view = () => DATA.views.find((one) => one.key === state.effort);
const indexOf = (name) => ENTRIES.findIndex((entry) => entry.name === name);
const listed = (key) => (state[key] ? state[key].split(',').map(nameOf) : []);
const written = (names) => names.map(encodeURIComponent).join(',');

function nameOf(text) {
  try {
    return decodeURIComponent(text);
  } catch { // Typed by hand: no entry has this name.
    return text;
  }
}

function toggle(key, name) {
  const names = listed(key);
  const rest = names.filter((one) => one !== name);
  choose({[key]: written(rest.length < names.length ? rest : [...names, name])});
}

// Entries by rank in this view; those without a rank are last.
function ranked() {
  const {rank, score} = view();
  const order = ENTRIES.map((_, e) => e);
  return order.sort((a, b) =>
    (rank[a] ?? Infinity) - (rank[b] ?? Infinity) || score[b] - score[a] || a - b);
}

const chosen = () => listed('pick').map(indexOf).filter((e) => e >= 0);

// Entries that have a colour: the first ones and the chosen ones.
const coloured = () => new Set([...ranked().slice(0, TOP), ...chosen()]);

// Entries that pass search and kind; of many, the first ones and the reference.
function shownEntries() {
  const order = ranked();
  const words = state.q.toLowerCase();
  const fits = (e) =>
    (!words || ENTRIES[e].name.toLowerCase().includes(words)
      || ENTRIES[e].about.toLowerCase().includes(words))
    && (!state.kind || ENTRIES[e].kind === state.kind);
  if (state.q || state.kind) return order.filter(fits);
  if (state.all || order.length <= FEW + 2) return order;
  const kept = new Set([...order.slice(0, FEW), DATA.reference, ...chosen()]);
  return order.filter((e) => kept.has(e));
}

const time = (value) => (value === MISSED ? Infinity : value ?? NaN);

// Effort of an evaluation of a trial in this view.
function efforts(trial) {
  const {key} = view();
  if (key === 'steps') return trial.steps;
  if (key === 'seconds') return trial.at;
  const changes = trial.compile ?? [];
  let next = 0, spent = 0;
  return trial.at.map((seconds, n) => {
    if (next < changes.length && changes[next][0] === n) spent = changes[next++][1];
    return key === 'compiled' ? seconds - spent : seconds + spent;
  });
}

// What all names of workloads end with, such as '/mini', says nothing.
const ENDING = (() => {
  const ends = new Set(WORKLOADS.map(({name}) => name.slice(name.indexOf('/'))));
  const [end] = ends;
  return ends.size === 1 && end.startsWith('/') ? end : '';
})();
const shortName = (w) => {
  const {name} = WORKLOADS[w];
  return ENDING ? name.slice(0, -ENDING.length) : name;
};
