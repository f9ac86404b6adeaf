// Ask the sandbox. Failures become errors whose message can be shown.

let known = null;

export async function feed(kind, id, wanted) {
  const given = Object.entries({ kind, id, ...wanted }).filter(([, value]) => value);
  const query = new URLSearchParams(given);
  const url = `/_sandbox/dashboard/feed?${query}`;
  const headers = known?.url === url ? { "If-None-Match": known.tag } : {};
  const answer = await fetch(url, { headers, cache: "no-store" });
  if (answer.status === 304) return null;
  if (!answer.ok) throw new Error(await problem(answer));
  known = { url, tag: answer.headers.get("ETag") };
  return answer.json();
}

export async function send(method, path, body) {
  const answer = await fetch(`/_sandbox/${path}`, {
    method,
    ...(body === undefined ? {} : { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) }),
  });
  if (!answer.ok) throw new Error(await problem(answer));
  return answer.json();
}

export const post = (path, body = {}) => send("POST", path, body);

export async function copyOf(id, form) {
  const answer = await fetch(`/_sandbox/dashboard/copy/${encodeURIComponent(id)}.${form}`);
  if (!answer.ok) throw new Error(await problem(answer));
  return answer.text();
}

async function problem(answer) {
  try {
    return (await answer.json()).error.message;
  } catch {
    return `The sandbox answered ${answer.status}.`;
  }
}
