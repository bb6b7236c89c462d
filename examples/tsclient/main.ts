// Works with the quickstart by the client that `autocrud client ts` makes of its models.
//
//   tsc --strict --target es2022 --module nodenext --lib es2022,dom,dom.iterable main.ts
//   node main.js http://127.0.0.1:8080

import { PlanetsFields, Problem, and, connect } from "./planets/models.js";

declare const process: { argv: string[] };

const api = connect(process.argv[2] ?? "http://127.0.0.1:8080");

const sedna = await api.planets.create({ name: "Sedna", kind: "dwarf planet", radius_km: 498 }, { id: "Sedna" });
const photo = await api.$client.upload(new Blob(["GIF89a"]), "image/gif");
const moon = await api.moons.create({ name: "Of Sedna", planet: sedna.meta.id, radius_km: 1, photo });
const picture = await new Response(await api.moons.download(moon.meta.id, photo.digest)).text();
console.log(`${moon.data.name} has a picture of ${picture.length} bytes`);

const where = and(PlanetsFields.kind.eq("dwarf planet"), PlanetsFields.radius_km.lt(500));
for await (const p of api.planets.list({ filter: where, orderBy: [PlanetsFields.name.asc()] })) {
  console.log(`${p.data.name}: ${p.data.radius_km} km`);
}

await api.planets.patch(sedna, { radius_km: 500 });
try {
  await api.planets.patch(sedna, { radius_km: 400 });
} catch (e) {
  if (!(e instanceof Problem) || e.code !== "precondition_failed") throw e;
  console.log("Sedna was changed since it was read");
}

const job = await api.conversions.run({ celsius: 100 }, (s) => {
  if (s.state === "succeeded") console.log("conversion", s.state);
});
console.log("100 °C:", JSON.stringify(job.meta.job?.result));

await api.moons.deleteId(moon.meta.id);
await api.planets.deleteId(sedna.meta.id);
for await (const e of api.planets.watch({ after: sedna.meta.seq })) {
  console.log(e.action, e.resource.meta.id);
  if (e.deleted) break;
}
