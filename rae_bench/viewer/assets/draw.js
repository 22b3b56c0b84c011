// ---- drawing --------------------------------------------------------------------------------------------------------
function paint() {
  const dark = state.theme === "dark", paper = dark ? 0x14171c : 0xf4f5f7;
  document.documentElement.dataset.theme = state.theme;
  renderer.setClearColor(paper);
  scene.fog.color.set(paper);
  data.characters.forEach((c, n) => {
    const colour = hue(c);
    for (const material of [people[n].skin, people[n].flat, people[n].path.material]) material.color.set(colour);
    const swatch = $("figure-" + n).querySelector(".swatch");
    swatch.style.background = swatch.style.borderColor = colour;
  });
  grid.material.color.set(dark ? 0x39424e : 0xc6cdd6);
  shade.color.set(dark ? 0x060708 : 0xd9dde3);
  refit();
}
function fit() {
  const box = $("stage").getBoundingClientRect();
  stage.width = Math.max(box.width, 1); stage.height = Math.max(box.height, 1);
  renderer.setSize(stage.width, stage.height, false);
  refit();
  draw();
}
function draw() {
  pose();
  lead(aim);
  shift.copy(aim).sub(before); before.copy(aim);
  controls.target.add(shift); eye.position.add(shift);
  const far = eye.position.distanceTo(controls.target), cell = grid.scale.x;
  eye.near = 0.02 * far; eye.far = 40 * far;
  eye.updateProjectionMatrix();
  scene.fog.near = far + 3 * stage.radius; scene.fog.far = 2 * far + 9 * stage.radius;
  renderer.setScissorTest(false);
  renderer.clear();
  renderer.setScissorTest(true);
  for (const box of stage.cells) {
    for (const p of people) p.group.visible = box.people.includes(p);
    shift.set(0, 0, 0);
    if (stage.cells.length > 1 && state.camera !== "fixed") shift.copy(box.people[0].centre).sub(aim);
    eye.position.add(shift);
    a.copy(controls.target).add(shift);
    grid.position.set(Math.round(a.x / cell) * cell, 0, Math.round(a.z / cell) * cell);
    const frame = [box.x, stage.height - box.y - box.tall, box.wide, box.tall];
    renderer.setViewport(...frame);
    renderer.setScissor(...frame);
    renderer.render(scene, eye);
    eye.position.sub(shift);
  }
}
function show() {
  const start = clip().start, past = state.at < start;
  const seconds = (frame) => ((frame - start) / data.fps).toFixed(2).replace("-", "\u2212");
  const text = `${seconds(state.at)} / ${seconds(last())} s`;
  $("scrub").max = last();
  $("scrub").value = Math.round(state.at);
  $("scrub").style.setProperty("--mark", last() ? start / last() : 0);
  $("scrub").className = start ? "" : "whole";
  $("scrub").setAttribute("aria-valuetext", past ? `${text}, history` : text);
  $("time").textContent = text;
  $("time").className = past ? "past" : "";
  $("time").title = start ? "0 is where generation begins; before it the history, the same for every figure" : "";
  $("play").textContent = state.playing ? "Pause" : "Play";
  $("loop").setAttribute("aria-pressed", state.loop);
  now();
}
let then = null;
function tick(time) {
  const passed = then === null ? 0 : Math.min((time - then) / 1000, 0.25);
  then = time;
  if (state.playing) {
    state.at += passed * data.fps * state.speed;
    if (state.at > last()) {
      state.at = state.loop ? 0 : last();
      state.playing = state.loop;
    }
    stale = true;
  }
  controls.update();
  if (stale) {
    stale = false;
    show();
    draw();
  }
  requestAnimationFrame(tick);
}

