/** URLs that lead nowhere, on which nobody connects. */
export const WRONG_PATHS = [
  ...["admin", "Teacher", "teachers", "", "teacher/x", "teacher/student", "%74eacher"].map(
    (role) => `/ws/session/lecture/${role}`,
  ),
  ...["a".repeat(65), "a.b", "..", "a/b", "", "a%2Fb", "%41bc", "a%20b", "a%00", "a+b", "a:b"].map(
    (id) => `/ws/session/${id}/student/`,
  ),
  ...["%EC%84%B8%EC%85%98", "a*", "a{b}", "a%zz", "a;b", "a@b"].map(
    (id) => `/ws/session/${id}/student/`,
  ),
  ...["/ws/session/", "/ws/session", "/ws/", "//ws/session/a/student/", "/socket.io/x", "/nothing"],
];

/** What a client says of itself on the default path, and how it is refused. */
export const WRONG_AUTH: readonly (readonly [unknown, string])[] = [
  [undefined, "invalid_session_id"],
  [{}, "invalid_session_id"],
  [{ role: "student" }, "invalid_session_id"],
  ...["", "a.b", "a".repeat(65), "a/b", "세션", 7, null, true, ["a"], { a: 1 }].map(
    (session_id) => [{ session_id, role: "student" }, "invalid_session_id"] as const,
  ),
  [{ session_id: "a" }, "invalid_role"],
  ...["", "admin", "Teacher", 1, null, ["teacher"], {}].map(
    (role) => [{ session_id: "a", role }, "invalid_role"] as const,
  ),
];
