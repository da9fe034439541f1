// Which session, and which screen: `?session=…&role=…`, else the choice of them.

import { createHome } from "./screens/home.js";
import { openScreen } from "./screens/screen.js";
import { language, t } from "./words/words.js";

const SESSION = /^[A-Za-z0-9_-]{1,64}$/;
const ROLES = ["teacher", "student"];
/** The session that the README and `npm run cluster` publish to: a newcomer sees it arrive. */
const FIRST_SESSION = "lecture-1";

const query = new URLSearchParams(location.search);
const asked = query.get("session") ?? FIRST_SESSION;
const session = SESSION.test(asked) ? asked : FIRST_SESSION;
const role = ROLES.find((each) => each === query.get("role"));

document.documentElement.lang = language;
if (role && session === asked) {
  // A token behind # was read by now, and is not for whoever is shown this address.
  history.replaceState(null, "", `?${new URLSearchParams({ session, role })}`);
  document.title = `${t(role)} · ${session}`;
  openScreen({ session, role });
} else {
  history.replaceState(null, "", location.search);
  document.title = t("appName");
  document.body.append(createHome({ session }));
}
