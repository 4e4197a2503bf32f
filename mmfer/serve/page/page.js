// Copyright (c) The mmfer contributors. SPDX-License-Identifier: Apache-2.0
// The image is held here and sent with every change of a slider; the server keeps nothing.

const find = (selector) => document.querySelector(selector);
const SLIDERS = { keep_num: find('#keep-num'), keep_rate: find('#keep-rate') };
const MAX_BARS = 12;

let model = null; // answer of /api/model
const settings = {}; // of the sliders that there are
let upload = null; // its bytes: a file may change or go while the sliders are moved
let shown = null; // its address, for where the server has not drawn into it
let busy = false;
let again = false; // something changed while the server was busy
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
const signed = (share) => (2 * share - 1).toFixed(2); // of a scale from -1 to 1

// What the page says --------------------------------------------------------------------------

function introduce() {
  find('#model').textContent = `${model.name}: ${model.task}, ${model.backbone}, on ${model.device}`;
  for (const paragraph of model.responsible_use) {
    find('#note').append(element('p', '', paragraph.replaceAll('*', '')));
  }
  find('#privacy').textContent =
    `This page and the model run on ${location.hostname}. An image is in its memory while it is ` +
    'answered; it is not stored, logged or sent on. The page loads nothing from elsewhere. ' +
    `Images: ${model.formats}, up to ${model.max_bytes / 1e6} MB and ${model.max_pixels / 1e6} ` +
    `megapixels${model.aligned ? '; each is one face, cut out already' : ''}.`;
  showSpeed(null);
  if (model.num_patches === null) return;
  find('#pooling').hidden = false;
  SLIDERS.keep_num.querySelector('input').max = model.num_patches;
  for (const [name, slider] of Object.entries(SLIDERS)) slider.hidden = model[name] === null;
  set(model);
}

function say(text) {
  find('#status').textContent = text;
}

function complain(text) {
  find('#error').textContent = text;
  find('#error').hidden = !text;
  if (text) find('#error').scrollIntoView({ block: 'nearest' }); // it is above the sliders
}

// Sliders ---------------------------------------------------------------------------------------

const available = () => Object.entries(SLIDERS).filter(([, slider]) => !slider.hidden);

function set(values) {
  for (const [name, slider] of available()) {
    settings[name] = values[name]; // exactly: a slider rounds
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

// Asking ----------------------------------------------------------------------------------------

async function use(blob, caption) {
  if (blob.size > model.max_bytes) {
    complain(`The file is larger than ${model.max_bytes / 1e6} MB.`);
    return;
  }
  try {
    upload = await blob.arrayBuffer();
  } catch {
    complain('The file cannot be read.');
    return;
  }
  if (shown) URL.revokeObjectURL(shown);
  shown = URL.createObjectURL(blob);
  preview();
  find('#image').hidden = false;
  find('#caption').textContent = caption;
  await ask();
}

// One question at a time. What is changed meanwhile is asked when the answer is there, once.
async function ask() {
  if (!upload) return;
  complain('');
  again = busy;
  if (busy) return;
  busy = true;
  document.body.classList.add('busy');
  say('reading ...');
  try {
    do {
      again = false;
      const asked = upload;
      const response = await fetch(`/api/read?${new URLSearchParams(settings)}`, {
        method: 'POST',
        body: asked,
      });
      const answer = response.headers.get('content-type')?.startsWith('application/json')
        ? await response.json()
        : { error: `The server could not answer (${response.status}); it says why in its window.` };
      if (upload !== asked) continue; // another one was chosen meanwhile
      if (response.ok) show(answer);
      else if (response.status < 500) refuse(answer.error);
      else fail(answer.error);
    } while (again && upload);
  } catch {
    fail('The server does not answer; is it still running?');
  } finally {
    busy = false;
    document.body.classList.remove('busy');
  }
}

function refuse(reason) {
  fail(reason);
  upload = null;
  find('#image').hidden = true;
  find('#caption').textContent = '';
}

// The image stays: the next change of a slider asks for it again.
function fail(reason) {
  complain(reason);
  say('');
  preview();
  showSpeed(null);
  find('#tokens').textContent = '';
  find('#faces').replaceChildren();
}

function preview() {
  find('#image').src = shown;
  find('#image').alt = '';
}

// Showing ---------------------------------------------------------------------------------------

function show(answer) {
  find('#image').src = answer.image;
  find('#image').alt = 'The image with what was found drawn into it';
  say(answer.faces.map((face) => face.title).join(', ') || 'no face');
  const cards = answer.faces.map(faceCard);
  if (!cards.length) cards.push(noFaceCard(answer));
  if (answer.found > answer.faces.length) {
    const text = `The first ${answer.faces.length} of ${answer.found} faces.`;
    cards.push(element('p', 'hint', text));
  }
  find('#faces').replaceChildren(...cards);
  find('#tokens').textContent = answer.tokens
    ? `Left after each block: ${answer.tokens.join(', ')}`
    : '';
  showSpeed(answer.speed);
}

function noFaceCard(answer) {
  const card = element('section', 'card');
  card.append(element('h2', '', 'No face found'), element('p', 'hint', answer.reason));
  return card;
}

function faceCard(face) {
  const card = element('section', 'card face');
  const top = element('div', 'top');
  const text = element('div');
  text.append(element('h2', '', face.title || 'Face'));
  if (face.whole) {
    const whole = element('p', 'hint');
    whole.append(element('span', 'swatch'), `keeping all: ${face.whole}`);
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
  top.append(image(face.crop, 'What the network saw'), text);
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
    line.title = `${words(mark)} keeping all`;
    line.role = 'img'; // which makes the title its name for screen readers
    track.append(line);
  }
  row.append(element('span', '', name), track, element('span', '', label));
  return row;
}

function showSpeed(speed) {
  const rows = speed ? [['as set', speed.pooled, true]] : [];
  if (speed?.whole !== undefined) rows.push(['keeping all', speed.whole, false]);
  const longest = Math.max(...rows.map(([, time]) => time));
  find('#speed .bars').replaceChildren(
    ...rows.map(([name, time, best]) =>
      barRow(name, time / longest, `${time.toFixed(2)} ms`, best),
    ),
  );
  find('#speed p').textContent = speed
    ? `From the pixels of a face to its scores, one face at a time, on ${model.device}; ` +
      `median of ${speed.passes} passes${rows.length > 1 ? ', in turns' : ''}.`
    : 'Measured with every answer.';
}

// Events ----------------------------------------------------------------------------------------

function takeFile(files) {
  const file = files?.[0];
  if (file) use(file, file.name);
}

function listen() {
  find('#file').addEventListener('change', (event) => {
    takeFile(event.target.files);
    event.target.value = ''; // the same file may be chosen again
  });
  find('#draw').addEventListener('click', async () => {
    try {
      const response = await fetch(`/api/drawn/${drawn}`);
      drawn += 1;
      const expression = response.headers.get('x-expression');
      await use(await response.blob(), `A drawn face, meant as: ${expression}`);
    } catch {
      complain('The server does not answer; is it still running?');
    }
  });
  document.addEventListener('paste', (event) => takeFile(event.clipboardData.files));
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
    find('#drop').classList.add('over');
  });
  document.addEventListener('dragleave', () => find('#drop').classList.remove('over'));
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    find('#drop').classList.remove('over');
    takeFile(event.dataTransfer.files);
  });
  for (const [name, slider] of Object.entries(SLIDERS)) {
    slider.querySelector('input').addEventListener('input', (event) => {
      settings[name] = Number(event.target.value);
      showSettings();
      ask();
    });
  }
  find('#trained').addEventListener('click', () => {
    set(model);
    ask();
  });
  find('#whole').addEventListener('click', () => {
    set({ keep_num: model.num_patches, keep_rate: 1 });
    ask();
  });
}

try {
  model = await (await fetch('/api/model')).json();
  introduce();
  listen();
  document.body.dataset.ready = 'yes'; // for programs that use the page
} catch {
  complain('The server does not answer; is it still running?');
}
