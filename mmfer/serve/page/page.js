// Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
// The image is kept here and sent again whenever a slider changes; the server stores nothing.

const find = (selector) => document.querySelector(selector);
const SLIDERS = { keep_num: find('#keep-num'), keep_rate: find('#keep-rate') };
const MAX_BARS = 12;

let model = null; // response of /api/model
const settings = {}; // values of the visible sliders
let upload = null; // bytes of the image: the file may change or be deleted later
let shown = null; // URL of the image without annotations
let busy = false;
let again = false; // something changed during a request
let drawn = 0;

function element(tag, className = '', text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

function image(source, alt) {
  const made = element('img');
  made.src = source;
  made.alt = alt;
  return made;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;
const signed = (share) => (2 * share - 1).toFixed(2); // on a scale from -1 to 1

// Texts of the page ---------------------------------------------------------------------------

function introduce() {
  find('#model').textContent = `${model.name}: ${model.task}, ${model.backbone}, on ${model.device}`;
  for (const paragraph of model.responsible_use) {
    find('#note').append(element('p', '', paragraph.replaceAll('*', '')));
  }
  find('#privacy').textContent =
    `This page and the model run on ${location.hostname}. An image is only in memory while it is ` +
    'processed; it is not stored, logged or sent elsewhere. The page loads nothing from ' +
    `elsewhere. Images: ${model.formats}, up to ${model.max_bytes / 1e6} MB and ` +
    `${model.max_pixels / 1e6} megapixels` +
    `${model.aligned ? '; each must be one face, already cropped' : ''}.`;
  showSpeed(null);
  if (model.num_patches === null) return;
  find('#pooling').hidden = false;
  SLIDERS.keep_num.querySelector('input').max = model.num_patches;
  for (const [name, slider] of Object.entries(SLIDERS)) slider.hidden = model[name] === null;
  set(model);
}

function setStatus(text) {
  find('#status').textContent = text;
}

function showError(text) {
  find('#error').textContent = text;
  find('#error').hidden = !text;
  if (text) find('#error').scrollIntoView({ block: 'nearest' }); // it is above the sliders
}

// Sliders ---------------------------------------------------------------------------------------

const available = () => Object.entries(SLIDERS).filter(([, slider]) => !slider.hidden);

function set(values) {
  for (const [name, slider] of available()) {
    settings[name] = values[name]; // the exact value: a slider rounds
    slider.querySelector('input').value = values[name];
  }
  showSettings();
}

function showSettings() {
  for (const [name, slider] of available()) {
    slider.querySelector('output').value =
      name === 'keep_num'
        ? `${settings.keep_num} of ${model.num_patches}`
        : settings.keep_rate.toFixed(2);
  }
}

// Requests --------------------------------------------------------------------------------------

async function load(blob, caption) {
  if (blob.size > model.max_bytes) {
    showError(`The file is larger than ${model.max_bytes / 1e6} MB.`);
    return;
  }
  try {
    upload = await blob.arrayBuffer();
  } catch {
    showError('The file cannot be read.');
    return;
  }
  if (shown) URL.revokeObjectURL(shown);
  shown = URL.createObjectURL(blob);
  preview();
  find('#image').hidden = false;
  find('#caption').textContent = caption;
  await predict();
}

// One request at a time. Changes during a request cause one more request after it.
async function predict() {
  if (!upload) return;
  showError('');
  again = busy;
  if (busy) return;
  busy = true;
  document.body.classList.add('busy');
  setStatus('processing ...');
  try {
    do {
      again = false;
      const sent = upload;
      const response = await fetch(`/api/read?${new URLSearchParams(settings)}`, {
        method: 'POST',
        body: sent,
      });
      const result = response.headers.get('content-type')?.startsWith('application/json')
        ? await response.json()
        : { error: `The server failed (${response.status}); see its log.` };
      if (upload !== sent) continue; // another image was selected during the request
      if (response.ok) show(result);
      else if (response.status < 500) reject(result.error);
      else fail(result.error);
    } while (again && upload);
  } catch {
    fail('The server does not respond; is it still running?');
  } finally {
    busy = false;
    document.body.classList.remove('busy');
  }
}

function reject(reason) {
  fail(reason);
  upload = null;
  find('#image').hidden = true;
  find('#caption').textContent = '';
}

// The image is kept: the next change of a slider sends it again.
function fail(reason) {
  showError(reason);
  setStatus('');
  preview();
  showSpeed(null);
  find('#tokens').textContent = '';
  find('#faces').replaceChildren();
}

function preview() {
  find('#image').src = shown;
  find('#image').alt = '';
}

// Results ---------------------------------------------------------------------------------------

function show(result) {
  find('#image').src = result.image;
  find('#image').alt = 'The annotated image';
  setStatus(result.faces.map((face) => face.title).join(', ') || 'no face');
  const cards = result.faces.map(faceCard);
  if (!cards.length) cards.push(noFaceCard(result));
  if (result.found > result.faces.length) {
    const text = `The first ${result.faces.length} of ${result.found} faces.`;
    cards.push(element('p', 'hint', text));
  }
  find('#faces').replaceChildren(...cards);
  find('#tokens').textContent = result.tokens
    ? `Patches after each block: ${result.tokens.join(', ')}`
    : '';
  showSpeed(result.speed);
}

function noFaceCard(result) {
  const card = element('section', 'card');
  card.append(element('h2', '', 'No face found'), element('p', 'hint', result.reason));
  return card;
}

function faceCard(face) {
  const card = element('section', 'card face');
  const top = element('div', 'top');
  const text = element('div');
  text.append(element('h2', '', face.title || 'Face'));
  if (face.whole) {
    const whole = element('p', 'hint');
    whole.append(element('span', 'swatch'), `all kept: ${face.whole}`);
    text.append(whole);
  }
  const ranked = face.bars.toSorted((a, b) => b.score - a.score);
  const bars = ranked.length > MAX_BARS ? ranked.slice(0, MAX_BARS) : face.bars;
  for (const bar of [...bars, ...face.action_units]) {
    text.append(barRow(bar.name, bar.score, percent(bar.score), bar === ranked[0], bar.whole));
  }
  for (const {name, score, whole} of face.valence_arousal) {
    const share = (score + 1) / 2;
    const mark = whole === undefined ? undefined : (whole + 1) / 2;
    text.append(barRow(name, share, signed(share), false, mark, signed));
  }
  top.append(image(face.crop, 'Input of the network'), text);
  card.append(top);
  if (face.stages.length) {
    const stages = element('div', 'stages');
    for (const stage of face.stages) {
      const figure = element('figure');
      const kept = `${stage.kept} of ${model.num_patches}`;
      const caption = element('figcaption', '', stage.title);
      caption.append(element('br'), kept);
      figure.append(image(stage.image, `Kept by ${stage.title}: ${kept}`), caption);
      stages.append(figure);
    }
    card.append(stages);
  }
  return card;
}

function barRow(name, share, label, best, mark, words = percent) {
  const row = element('div', best ? 'bar best' : 'bar');
  const track = element('div', 'track');
  const fill = element('div', 'fill');
  fill.style.width = `${100 * share}%`;
  track.append(fill);
  if (mark !== undefined) {
    const line = element('div', 'mark');
    line.style.left = `${100 * mark}%`;
    line.title = `${words(mark)} all kept`;
    line.role = 'img'; // so that screen readers read the title
    track.append(line);
  }
  row.append(element('span', '', name), track, element('span', '', label));
  return row;
}

function showSpeed(speed) {
  const rows = speed ? [['as set', speed.pooled, true]] : [];
  if (speed?.whole !== undefined) rows.push(['all kept', speed.whole, false]);
  const longest = Math.max(...rows.map(([, time]) => time));
  find('#speed .bars').replaceChildren(
    ...rows.map(([name, time, best]) =>
      barRow(name, time / longest, `${time.toFixed(2)} ms`, best),
    ),
  );
  find('#speed p').textContent = speed
    ? `From the pixels of a face to its scores, one face at a time, on ${model.device}; ` +
      `median of ${speed.passes} passes${rows.length > 1 ? ', alternating' : ''}.`
    : 'Measured for every image.';
}

// Events ----------------------------------------------------------------------------------------

function openFile(files) {
  const file = files?.[0];
  if (file) load(file, file.name);
}

function listen() {
  find('#file').addEventListener('change', (event) => {
    openFile(event.target.files);
    event.target.value = ''; // so that the same file can be selected again
  });
  find('#draw').addEventListener('click', async () => {
    try {
      const response = await fetch(`/api/drawn/${drawn}`);
      drawn += 1;
      const expression = response.headers.get('x-expression');
      await load(await response.blob(), `A drawn face, expression: ${expression}`);
    } catch {
      showError('The server does not respond; is it still running?');
    }
  });
  document.addEventListener('paste', (event) => openFile(event.clipboardData.files));
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    find('#drop').classList.add('over');
  });
  document.addEventListener('dragleave', () => find('#drop').classList.remove('over'));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    find('#drop').classList.remove('over');
    openFile(event.dataTransfer.files);
  });
  for (const [name, slider] of Object.entries(SLIDERS)) {
    slider.querySelector('input').addEventListener('input', (event) => {
      settings[name] = Number(event.target.value);
      showSettings();
      predict();
    });
  }
  find('#trained').addEventListener('click', () => {
    set(model);
    predict();
  });
  find('#whole').addEventListener('click', () => {
    set({ keep_num: model.num_patches, keep_rate: 1 });
    predict();
  });
}

try {
  model = await (await fetch('/api/model')).json();
  introduce();
  listen();
  document.body.dataset.ready = 'yes'; // for programs that use the page
} catch {
  showError('The server does not respond; is it still running?');
}
