// The token: handed over in the fragment of the address (never sent to a server) or pasted once.

const KEY = "quotemesh.token";

// Runs before anything else, so that the token leaves the address bar and the history at once.
export function takeFromAddress() {
  const match = /^#token=([^&]+)$/.exec(location.hash);
  if (match === null) return;
  history.replaceState(null, "", location.pathname);
  try {
    keep(decodeURIComponent(match[1]));
  } catch {
    // Not a token: the form asks for one.
  }
}

export const token = () => sessionStorage.getItem(KEY);

export const keep = (given) => sessionStorage.setItem(KEY, given.trim());

export const forget = () => sessionStorage.removeItem(KEY);

export class Refused extends Error {}

// Answers the JSON of a request; throws `Refused` when the token is not right, else `Error` that says why.
export async function ask(path, body) {
  const options = { headers: { Authorization: `Bearer ${token()}` }, cache: "no-store", signal: AbortSignal.timeout(8000) };
  if (body !== undefined) {
    options.method = "POST";
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(`/api/v1/${path}`, options);
  const said = await answer.json().catch(() => ({}));
  if (answer.status === 401) throw new Refused("the gateway does not know this token");
  if (!answer.ok) throw new Error(said.detail ?? `the gateway answered ${answer.status}`);
  return said;
}
