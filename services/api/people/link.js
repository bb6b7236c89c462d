const token = location.hash.slice(1), at = (id) => document.getElementById(id);
history.replaceState(null, "", location.pathname);
at("first").hidden = !token.startsWith("setup.");
at("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = { token, password: at("password").value };
  if (!at("first").hidden) {
    if (at("name").value) body.name = at("name").value;
    if (at("email").value) body.email = at("email").value;
  }
  const answer = await fetch("/auth/password", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (answer.ok) {
    location.replace("/");
    return;
  }
  const problem = await answer.json();
  at("said").textContent = problem.detail + (problem.errors || []).map((e) => "; " + e.pointer.slice(1) + " " + e.detail).join("");
});
