// Where the server asks for tokens, the page has them from its own address, behind #, which no server sees:
// #teacher=TOKEN&student=TOKEN, or #token=TOKEN for whichever screen is open. They are kept in this tab only.

const given = new URLSearchParams(location.hash.slice(1));
for (const role of ["teacher", "student"]) {
  const token = given.get(role) ?? given.get("token");
  if (token) sessionStorage.setItem(`inthon-token-${role}`, token);
}
addEventListener("hashchange", () => location.reload());

/** The token of a role, or `null`. */
export function tokenOf(role) {
  return sessionStorage.getItem(`inthon-token-${role}`);
}
