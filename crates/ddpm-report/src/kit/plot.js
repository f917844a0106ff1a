'use strict';
// Values under the pointer, and the same from the keyboard: a cursor moves along the plotted places, a small box shows
// what every series has there, and a live region reads it out when keys moved it.
for (const box of document.querySelectorAll('.plot')) {
  const data = JSON.parse(box.querySelector('script').textContent);
  if (!data.series || !data.series.length) continue;
  const svgs = [...box.querySelectorAll('svg')];
  const tip = box.querySelector('.tip');
  const live = box.querySelector('.live');
  const make = (name, parent, attributes = {}) => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return parent.appendChild(element);
  };
  const axis = text => {
    const [kind, min, max, start, end] = text.split(' ').map((part, i) => i ? Number(part) : part);
    const scale = kind === 'log' ? Math.log : v => v;
    return v => start + (scale(v) - scale(min)) / (scale(max) - scale(min)) * (end - start);
  };
  const views = svgs.map(svg => {
    // The browser's own tooltip would cover the values: the title stays as the picture's name.
    const title = svg.querySelector('title');
    svg.setAttribute('aria-label', title.textContent);
    svg.removeAttribute('aria-labelledby');
    svg.setAttribute('aria-describedby', svg.querySelector('desc').id);
    title.remove();
    const start = svg.dataset.y.split(' ')[3], end = svg.dataset.y.split(' ')[4];
    const cursor = make('g', svg, { class: 'cursor', visibility: 'hidden' });
    const line = make('line', cursor, { y1: start, y2: end });
    const dots = data.series.map(series => make('circle', cursor, { r: 4.2, class: series.class, fill: 'currentColor' }));
    return { svg, x: axis(svg.dataset.x), y: axis(svg.dataset.y), cursor, line, dots };
  });
  for (const series of data.series) {
    const list = text => text.split('|');
    series.at = list(series.x).map(Number);
    series.value = list(series.y).map(Number);
    series.atText = list(series.x_text ?? series.x);
    series.valueText = list(series.y_text ?? series.y);
  }
  // The places that the cursor stops at: every x, or every point where points are scattered.
  const stops = data.scattered
    ? data.series.flatMap((series, s) => series.at.map((x, i) => ({ x, s, i })))
    : [...new Set(data.series.flatMap(series => series.at))].map(x => ({ x }));
  stops.sort((a, b) => a.x - b.x);
  const names = new Map(data.series.flatMap(series => series.at.map((x, i) => [x, series.atText[i]])));
  const shown = view => view.svg.getBoundingClientRect().width > 0;
  const nearest = (series, x, view) => {
    let best = -1, distance = Infinity;
    series.at.forEach((other, i) => {
      const d = Math.abs(view.x(other) - view.x(x));
      if (d < distance) { best = i; distance = d; }
    });
    return distance < 20 ? best : -1;
  };
  let current = -1;
  const hide = () => {
    current = -1;
    tip.hidden = true;
    for (const view of views) view.cursor.setAttribute('visibility', 'hidden');
  };
  const show = (index, speak) => {
    current = index;
    const stop = stops[index];
    const view = views.find(shown);
    if (!view) return;
    const rows = data.series.map((series, s) => {
      const i = data.scattered ? (s === stop.s ? stop.i : -1) : nearest(series, stop.x, view);
      if (i < 0) return null;
      const elsewhere = series.at[i] === stop.x ? '' : ` at ${series.atText[i]}`;
      return { series, s, i, text: series.valueText[i] + elsewhere };
    });
    for (const { x, y, cursor, line, dots, svg } of views) {
      cursor.setAttribute('visibility', 'visible');
      line.setAttribute('x1', x(stop.x));
      line.setAttribute('x2', x(stop.x));
      dots.forEach((dot, s) => {
        const row = rows[s];
        const cy = row && data.series[s].dot ? y(row.series.value[row.i]) : NaN;
        dot.setAttribute('visibility', Number.isFinite(cy) ? 'visible' : 'hidden');
        if (Number.isFinite(cy)) {
          dot.setAttribute('cx', x(row.series.at[row.i]));
          dot.setAttribute('cy', cy);
        }
      });
    }
    const heading = `${data.x_label} ${names.get(stop.x)}`;
    tip.replaceChildren();
    const head = document.createElement('div');
    head.textContent = heading;
    tip.append(head);
    for (const row of rows.filter(Boolean)) {
      const item = document.createElement('div');
      const swatch = document.createElement('i');
      const value = document.createElement('b');
      swatch.className = row.series.class;
      value.textContent = row.text;
      item.append(swatch, `${row.series.name} `, value);
      tip.append(item);
    }
    tip.hidden = false;
    const outer = box.getBoundingClientRect(), inner = view.svg.getBoundingClientRect();
    const ratio = inner.width / view.svg.viewBox.baseVal.width;
    const at = inner.left - outer.left + view.x(stop.x) * ratio;
    const right = at + 12 + tip.offsetWidth <= outer.width;
    // In a narrow column the box stands below the picture, which it would cover.
    const below = view.svg.classList.contains('narrow');
    tip.style.left = below ? '0' : `${right ? at + 12 : Math.max(0, at - 12 - tip.offsetWidth)}px`;
    const top = Math.min(...view.svg.dataset.y.split(' ').slice(3).map(Number));
    tip.style.top = below ? '100%' : `${inner.top - outer.top + top * ratio + 4}px`;
    if (speak) live.textContent = `${heading}: ${rows.filter(Boolean).map(row => `${row.series.name} ${row.text}`).join('; ')}`;
  };
  const follow = event => {
    const view = views.find(view => view.svg === event.currentTarget);
    const rect = view.svg.getBoundingClientRect();
    const ratio = view.svg.viewBox.baseVal.width / rect.width;
    const px = (event.clientX - rect.left) * ratio, py = (event.clientY - rect.top) * ratio;
    let best = -1, distance = Infinity;
    stops.forEach((stop, index) => {
      const dx = view.x(stop.x) - px;
      const dy = data.scattered ? view.y(data.series[stop.s].value[stop.i]) - py : 0;
      const d = Math.hypot(dx, dy);
      if (d < distance) { best = index; distance = d; }
    });
    if (best >= 0 && best !== current) show(best, false);
  };
  for (const { svg } of views) {
    svg.addEventListener('pointermove', follow);
    svg.addEventListener('pointerdown', follow);
    svg.addEventListener('pointerleave', () => { if (document.activeElement !== box) hide(); });
  }
  const title = svgs[0].getAttribute('aria-label');
  box.tabIndex = 0;
  box.setAttribute('role', 'application');
  box.setAttribute('aria-roledescription', 'plot');
  box.setAttribute('aria-label', `${title}. Arrow keys move along the values.`);
  box.addEventListener('keydown', event => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const last = stops.length - 1;
    const jump = Math.max(1, Math.round(stops.length / 10));
    const from = current < 0 ? -1 : current;
    const targets = {
      ArrowRight: from + 1, ArrowLeft: current < 0 ? last : current - 1, PageDown: from + jump, PageUp: from - jump,
      Home: 0, End: last,
    };
    if (event.key === 'Escape') hide();
    else if (event.key in targets) show(Math.min(last, Math.max(0, targets[event.key])), true);
    else return;
    event.preventDefault();
  });
  box.addEventListener('blur', hide);
}
