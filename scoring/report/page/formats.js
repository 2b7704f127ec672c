// Numbers as people read them.
const THIN = '\u202f';  // Narrow space between groups of digits.

const grouped = (value) =>
  Math.round(value).toLocaleString('en-US').replaceAll(',', THIN);

// Seconds with three or four digits; from 36,000 s on in hours.
function secondsText(value) {
  if (value >= 36000) return `${(value / 3600).toFixed(1)} h`;
  if (value >= 1000) return `${grouped(value)} s`;
  return value >= 10 ? `${value.toFixed(1)} s` : `${value.toFixed(2)} s`;
}

function effortText(value, unit) {
  if (!Number.isFinite(value)) return '–';
  return unit === 'steps' ? `${grouped(value)} steps` : secondsText(value);
}

// Four significant digits.
function metricText(value) {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size >= 1e5 || (size > 0 && size < 1e-4)) return value.toExponential(2);
  return Number(value.toPrecision(4)).toString();
}

function shareText(value) {
  const percent = 100 * value;
  return `${percent >= 10 ? percent.toFixed(0) : Number(percent.toPrecision(2))} %`;
}

const ratioText = (value) =>
  Number.isFinite(value) ? `${value.toFixed(2)}×` : '–';

const scoreText = (value) => value.toFixed(3);

function sizeText(count) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let at = 0;
  for (; count >= 999.5 && at < units.length - 1; at++) count /= 1000;
  return `${Number(count.toPrecision(3))} ${units[at]}`;
}

const bandText = (band, rank) => {
  if (!band) return rank ? String(rank) : '–';
  return band[0] === band[1] ? String(band[0]) : `${band[0]}–${band[1]}`;
};
