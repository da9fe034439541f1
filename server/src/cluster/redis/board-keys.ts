// Keys of operators. The hash tag puts both in the slot of the list of nodes, so that whoever renews a lease finds them.

/** There while somebody looks at the cluster. */
export const WATCHED_KEY = "inthon:watched:{inthon:nodes}";
/** What somebody asks of all replicas: an id, a blank, and the question. */
export const ASKED_KEY = "inthon:asked:{inthon:nodes}";
