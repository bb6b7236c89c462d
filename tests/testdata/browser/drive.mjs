// Drives a real Chromium through the small application, as people would, and says
// what does not work. What it needs of the server it asks through the environment.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const { chromium } = createRequire(process.env.MODULES + "/")("playwright-core");
const { PAGE, API, ADMIN_KEY, CHROMIUM, POSTER } = process.env;
const admin = async (method, path, body) => {
  const answer = await fetch(API + path, { method, headers: { Authorization: "Bearer " + ADMIN_KEY, "Content-Type": "application/json" }, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  return answer.status === 204 ? null : answer.json();
};
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
try {
  const context = await browser.newContext();
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.on("pageerror", (e) => console.log("page:", e.message));
  const text = (id) => page.textContent("#" + id);
  const within = async (what, ms, ok) => {
    const end = Date.now() + ms;
    while (!(await ok())) {
      assert.ok(Date.now() < end, `${what}: not within ${ms} ms`);
      await new Promise((r) => setTimeout(r, 20));
    }
  };
  const signIn = async (password) => {
    await page.fill("[name=email]", "ann@example.com");
    await page.fill("[name=password]", password);
    await page.click("#login button");
  };
  await page.goto(PAGE);
  await page.waitForFunction(() => document.getElementById("who").textContent === "nobody");
  await signIn("not the password");
  await page.waitForFunction(() => document.body.dataset.login === "401");
  await signIn("eleven blue whales");
  await page.waitForFunction(() => document.getElementById("who").textContent === "Ann" && document.body.dataset.stream === "open");
  console.log("signed in by password");
  assert.equal(await page.evaluate(() => document.cookie), "", "the page sees the cookie");

  await page.fill("[name=title]", "Alien");
  await page.setInputFiles("[name=poster]", POSTER);
  await page.click("#upload button");
  await page.waitForFunction(() => document.body.dataset.upload === "201" && document.getElementById("poster").naturalWidth === 1);
  await page.waitForFunction(() => [...document.querySelectorAll("#events li")].some((li) => li.textContent === "created Alien"));
  console.log("uploaded by a form, shown, and told by EventSource");
  await page.click("#edit");
  await page.waitForFunction(() => document.body.dataset.edits === "200 412");
  await page.waitForFunction(() => [...document.querySelectorAll("#events li")].some((li) => li.textContent === "updated Alien, edited"));
  assert.equal(await text("list"), "Alien, edited");
  console.log("edited with If-Match, a lost update refused");

  const poster = await page.evaluate(() => document.getElementById("poster").src);
  const shown = (src, cross) => page.evaluate(([src, cross]) => window.images.load(src, cross), [src, cross]);
  const { url } = await page.evaluate((at) => fetch(at + ":sign", { method: "POST", credentials: "include" }).then((r) => r.json()), poster);
  assert.ok(await shown(url), "an image by its link");
  const stranger = await (await browser.newContext()).newPage();
  await stranger.goto(PAGE);
  assert.ok(await stranger.evaluate((src) => window.images.load(src), url), "an image by its link, in a browser without a session");
  assert.ok(!(await stranger.evaluate((src) => window.images.load(src, "use-credentials"), poster)), "an image without a session");
  console.log("an image by its link");

  // A page of another site does nothing with the session, nor reads by it.
  const evil = await context.newPage();
  await evil.goto(process.env.EVIL);
  const tried = await evil.evaluate(async ([api, poster]) => {
    const post = (path, type, body) => fetch(api + path, { method: "POST", mode: "no-cors", credentials: "include", headers: { "Content-Type": type }, body }).catch(() => null);
    await post("/v1/films", "text/plain", '{"title":"evil"}');
    await post("/auth/logout", "text/plain", "{}");
    const form = document.createElement("form");
    form.method = "POST";
    form.action = api + "/v1/films";
    form.enctype = "multipart/form-data";
    form.target = "out";
    const field = document.createElement("input");
    field.name = "data";
    field.value = '{"title":"evil"}';
    const frame = document.createElement("iframe");
    frame.name = "out";
    document.body.append(frame);
    form.append(field);
    document.body.append(form);
    await new Promise((resolve) => ((frame.onload = resolve), form.submit(), setTimeout(resolve, 2000)));
    const read = await fetch(api + "/v1/films", { credentials: "include" }).then((r) => r.text(), () => "refused");
    const image = await new Promise((resolve) => {
      const img = new Image();
      img.onload = () => resolve("shown");
      img.onerror = () => resolve("refused");
      img.src = poster;
    });
    return { read, image };
  }, [API, poster]);
  assert.deepEqual(tried, { read: "refused", image: "refused" });
  await evil.close();
  const films = await admin("GET", "/v1/films");
  assert.deepEqual(films.items.map((x) => x.data.title), ["Alien, edited"]);
  console.log("a page of another site does nothing");

  // What is revoked ends within a second: the stream, and the image.
  const users = await admin("GET", "/v1/users");
  await admin("POST", "/auth/links:revoke", { all: true });
  const sessions = await admin("GET", "/auth/sessions?principal=user:" + users.items[0].meta.id);
  for (const { id } of sessions.items) await admin("DELETE", "/auth/sessions/" + id);
  await within("the stream ends", 1000, () => page.evaluate(() => document.body.dataset.stream === "ended"));
  for (const at of [poster, url]) {
    await within("the image ends", 1000, () => page.evaluate((at) => fetch(at, { credentials: "include" }).then((r) => r.status === 401, () => true), at));
  }
  const fresh = await context.newPage(); // a document goes on showing what it has loaded
  await fresh.goto(PAGE);
  assert.ok(!(await fresh.evaluate((src) => window.images.load(src, "use-credentials"), poster)), "the image after the end of the session");
  assert.ok(!(await fresh.evaluate((src) => window.images.load(src), url)), "the image by a revoked link");
  await fresh.close();
  console.log("revoked: stream, image and link end within a second");

  await page.goto(PAGE);
  await page.waitForFunction(() => document.getElementById("who").textContent === "nobody");
  await page.click("#sso");
  await page.waitForURL((at) => String(at).startsWith(PAGE.split("?")[0]));
  await page.waitForFunction(() => document.getElementById("who").textContent === "Bea" && document.querySelectorAll("#list li").length === 1);
  await page.evaluate(() => window.follow());
  await page.waitForFunction(() => document.body.dataset.stream === "open");
  console.log("signed in by an issuer");
  await page.click("#logout");
  await page.waitForURL((at) => at.pathname !== new URL(PAGE).pathname);
  await page.goto(PAGE);
  await page.waitForFunction(() => document.getElementById("who").textContent === "nobody");
  await page.click("#sso");
  await page.waitForURL((at) => at.pathname.endsWith("/callback"));
  assert.match(await page.textContent("body"), /access_denied/);
  console.log("signed out, at the issuer too");

  await page.goto(PAGE);
  await signIn("eleven blue whales");
  await page.waitForFunction(() => document.getElementById("who").textContent === "Ann");
  await page.click("#logout");
  await page.waitForFunction(() => document.getElementById("who").textContent === "nobody" && document.body.dataset.stream === "ended");
  console.log("signed in again, and out");
} finally {
  await browser.close();
}
