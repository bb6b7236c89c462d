// A small application, as someone would write it: cookies, fetch, EventSource, forms.
const api = new URLSearchParams(location.search).get("api") || location.origin;
const at = (id) => document.getElementById(id);
const ask = (path, options = {}) => fetch(api + path, { credentials: "include", ...options });
const json = (body, headers = {}) => ({ body: JSON.stringify(body), headers: { "Content-Type": "application/json", ...headers } });

at("sso").href = api + "/auth/oidc/default/login?return_to=" + encodeURIComponent(api === location.origin ? location.pathname + location.search : location.href);

async function refresh() {
  const { principal } = await (await ask("/auth/session")).json();
  at("who").textContent = principal ? principal.name : "nobody";
  at("list").replaceChildren();
  if (!principal) return;
  const { items } = await (await ask("/v1/films?order_by=title")).json();
  for (const { data, meta } of items) {
    const li = document.createElement("li");
    li.textContent = data.title;
    li.dataset.id = meta.id;
    at("list").append(li);
  }
}

let source;
function follow() {
  source = new EventSource(api + "/v1/films:watch", { withCredentials: true });
  source.onopen = () => (document.body.dataset.stream = "open");
  source.onerror = () => (document.body.dataset.stream = "ended");
  for (const action of ["created", "updated"]) {
    source.addEventListener(action, (event) => {
      const li = document.createElement("li");
      li.textContent = action + " " + JSON.parse(event.data).data.title;
      at("events").append(li);
    });
  }
}

at("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { email, password } = Object.fromEntries(new FormData(event.target));
  const answer = await ask("/auth/login", { method: "POST", ...json({ email, password }) });
  document.body.dataset.login = answer.status;
  await refresh();
  if (answer.ok) follow();
});

at("upload").addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = new FormData(event.target), form = new FormData();
  form.append("data", new Blob([JSON.stringify({ title: fields.get("title") })], { type: "application/json" }));
  form.append("/poster", fields.get("poster"));
  const answer = await ask("/v1/films", { method: "POST", body: form });
  document.body.dataset.upload = answer.status;
  const { data, meta, detail } = await answer.json();
  if (!answer.ok) console.log(detail);
  at("poster").crossOrigin = "use-credentials";
  at("poster").src = api + "/v1/films/" + meta.id + "/blobs/" + data.poster.digest;
  await refresh();
});

at("edit").addEventListener("click", async () => {
  const id = at("list").firstElementChild.dataset.id;
  const read = await ask("/v1/films/" + id);
  const { data } = await read.json();
  const patch = (etag, title) => ask("/v1/films/" + id, { method: "PATCH", ...json({ title }, { "Content-Type": "application/merge-patch+json", "If-Match": etag }) });
  const first = await patch(read.headers.get("ETag"), data.title + ", edited");
  const second = await patch(read.headers.get("ETag"), "lost");
  document.body.dataset.edits = first.status + " " + second.status;
  await refresh();
});

at("logout").addEventListener("click", async () => {
  const answer = await ask("/auth/logout", { method: "POST" });
  if (answer.status === 200) {
    location.href = (await answer.json()).continue_at;
    return;
  }
  await refresh();
});

// What a test asks of the page itself.
window.images = {
  load: (src, crossOrigin) =>
    new Promise((resolve) => {
      const img = new Image();
      if (crossOrigin) img.crossOrigin = crossOrigin;
      img.onload = () => resolve(true);
      img.onerror = () => resolve(false);
      img.src = src;
    }),
};
window.follow = follow;
refresh();
