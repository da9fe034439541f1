/** The session whose students are told much: hostile clients join it. */
export const FAT_SESSION = "fat";
