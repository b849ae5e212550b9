/*
 * The names of the Redis contract: keys, fields, states, channels, limits.
 * docs/redis-contract.md is the contract itself; a test compares the two.
 * This is the only place in C that spells them.
 *
 * In a key, %u is the shard (the hash tag, so that everything which one
 * transaction touches lies in one slot) and %s an id of WEIR_ID_LEN characters.
 */

#ifndef WEIR_CONTRACT_H
#define WEIR_CONTRACT_H


#define WEIR_CONTRACT_VERSION    1

/* ids: two base62 characters of shard, the rest random */
#define WEIR_ID_LEN              24
#define WEIR_JOB_PREFIX          "job_"
#define WEIR_SHARDS_MAX          16

/* a mailbox: base62, drawn anew by each nginx worker process */
#define WEIR_MAILBOX_LEN         16

/* keys */
#define WEIR_KEY_JOB             "weir:{%u}:job:%s"
#define WEIR_KEY_RUN             "weir:{%u}:run:%s"
#define WEIR_KEY_REQUEST         "weir:{%u}:request:%s"
#define WEIR_KEY_OUTCOME         "weir:{%u}:outcome:%s:%s"
#define WEIR_KEY_WAITING         "weir:{%u}:waiting:%s"
#define WEIR_KEY_READY           "weir:{%u}:ready:%s"
#define WEIR_KEY_DELAYED         "weir:{%u}:delayed"
#define WEIR_KEY_DEADLINE        "weir:{%u}:deadline"
#define WEIR_KEY_LIVE            "weir:{%u}:live:%s"
#define WEIR_KEY_IDEM            "weir:{%u}:idem:%s"
#define WEIR_KEY_FATE            "weir:{%u}:fate:%s"
#define WEIR_KEY_JOBS            "weir:{%u}:jobs:%s"
#define WEIR_KEY_OPEN            "weir:{%u}:open:%s"
#define WEIR_KEY_CONTROL         "weir:{%u}:control"
#define WEIR_KEY_PAUSED          "weir:{%u}:paused"
#define WEIR_KEY_REAP            "weir:{%u}:reap"
#define WEIR_KEY_DEAD            "weir:{%u}:dead"
#define WEIR_KEY_HOOKS           "weir:{%u}:hooks"
#define WEIR_KEY_HOOK            "weir:{%u}:hook:%s"
#define WEIR_KEY_HOOKLOCK        "weir:{%u}:hooklock:%s"
#define WEIR_KEY_ENDPOINT        "weir:{%u}:endpoint:%s"
#define WEIR_KEY_LIMIT           "weir:{%u}:limit:%.*s"
#define WEIR_KEY_SLOTS           "weir:{%u}:slots:%.*s"
#define WEIR_KEY_HOLD            "weir:{%u}:hold:%s"
#define WEIR_KEY_SETTLE          "weir:{%u}:settle"
#define WEIR_KEY_USAGE           "weir:{%u}:usage:%s"
#define WEIR_KEY_ASK             "weir:{%u}:ask:%s"
#define WEIR_KEY_ASKERS          "weir:{%u}:askers:%s"
#define WEIR_KEY_ASKED           "weir:{%u}:asked"
#define WEIR_KEY_ENDED           "weir:{%u}:ended"
#define WEIR_KEY_ANSWER          "weir:{%u}:answer:%s"
#define WEIR_KEY_ANSWERS         "weir:{%u}:answers"
#define WEIR_KEY_ANSWERS_ID      "weir:{%u}:answersid"
#define WEIR_KEY_ANSWERS_AT      "weir:{%u}:answersat"
#define WEIR_KEY_SWEEP           "weir:{%u}:sweep"
#define WEIR_KEY_MARKS           "weir:{%u}:marks"
#define WEIR_KEY_PURGES          "weir:{%u}:purges"
#define WEIR_KEY_PURGECOUNT      "weir:{%u}:purgecount"
#define WEIR_KEY_EVENTS          "weir:{%u}:events:%s"
#define WEIR_KEY_READERS         "weir:{%u}:readers:%s"
#define WEIR_KEY_APIKEY          "weir:{keys}:key:%.*s"
#define WEIR_KEY_APIKEYS         "weir:{keys}:ids"
#define WEIR_KEY_NEWS            "weir:{keys}:news"
#define WEIR_KEY_CHANGES         "weir:{keys}:changes"
#define WEIR_KEY_CATALOGUE       "weir:catalogue"
#define WEIR_KEY_VERSION         "weir:version"

/* channels */
#define WEIR_CHANNEL_MAIL        "weir:mail:%s"

/* the consumer group of every ready stream */
#define WEIR_GROUP               "weir"

/* fields of a job's hash: what the client holds */
#define WEIR_JOB_OWNER           "owner"
#define WEIR_JOB_KEY             "key"
#define WEIR_JOB_RUN             "run"
#define WEIR_JOB_ROUTE           "route"
#define WEIR_JOB_REQUEST         "request"
#define WEIR_JOB_MODEL           "model"
#define WEIR_JOB_CREATED         "created"
#define WEIR_JOB_METADATA        "metadata"
#define WEIR_JOB_ECHO            "echo"
#define WEIR_JOB_PREFIX_FIELD    "prefix"
#define WEIR_JOB_HOOK_URL        "hook_url"
#define WEIR_JOB_HOOK_SECRET     "hook_secret"
#define WEIR_JOB_RETRIED_AS      "retried_as"
#define WEIR_JOB_ASK             "ask"
#define WEIR_JOB_PART            "part"

/* what "part" of a job says that asks a question; another has none */
#define WEIR_PART_LED            "led"           /* the run is for it */
#define WEIR_PART_JOINED         "joined"        /* it hung on to a run */
#define WEIR_PART_HIT            "hit"           /* the answer was there */

/* fields of a run's hash: what the worker asks */
#define WEIR_RUN_JOB             "job"
#define WEIR_RUN_REQUEST         "request"
#define WEIR_RUN_MODEL           "model"
#define WEIR_RUN_CLASS           "class"
#define WEIR_RUN_CREATED         "created"
#define WEIR_RUN_DEADLINE        "deadline"
#define WEIR_RUN_TTL             "ttl"
#define WEIR_RUN_STARTED         "started"
#define WEIR_RUN_GEN             "gen"
#define WEIR_RUN_FAILURES        "failures"
#define WEIR_RUN_ERROR           "error"
#define WEIR_RUN_KIND            "kind"
#define WEIR_RUN_RECORDS         "records"
#define WEIR_RUN_RUN_AT          "run_at"
#define WEIR_RUN_OWNER           "owner"
#define WEIR_RUN_HOOK            "hook"
#define WEIR_RUN_KEEP            "keep"
#define WEIR_RUN_BACK            "back"
#define WEIR_RUN_CRASH           "crash"
#define WEIR_RUN_ASK             "ask"
#define WEIR_RUN_CACHE           "cache"
#define WEIR_RUN_LABELS          "labels"
#define WEIR_RUN_STREAM          "stream"
#define WEIR_RUN_WHILE           "while"
#define WEIR_RUN_TRACE           "trace"
#define WEIR_RUN_FIN             "fin"
#define WEIR_RUN_FIN_AT          "fin_at"
#define WEIR_RUN_ASKED           "asked"
#define WEIR_RUN_SETTLED         "settled"
#define WEIR_RUN_USAGE           "usage:%s"      /* token */
#define WEIR_RUN_CLAIM           "run:%s"        /* generation */
#define WEIR_RUN_DELIVERIES      "n:%s"          /* stream entry */
#define WEIR_RUN_CLAIM_PREFIX    "run:"
#define WEIR_RUN_DELIVERY_PREFIX "n:"
#define WEIR_RUN_USAGE_PREFIX    "usage:"

/* fields of a reservation */
#define WEIR_HOLD_OWNER          "owner"
#define WEIR_HOLD_BY             "by"
#define WEIR_HOLD_CHARGE         "charge:%u"

/* the field of an entry of the news */
#define WEIR_NEWS_ID             "id"

/* fields of a day's ledger, and what they count */
#define WEIR_USAGE_FIELD         "%.*s:%s"
#define WEIR_USAGE_JOBS          "jobs"
#define WEIR_USAGE_INPUT         "input"
#define WEIR_USAGE_OUTPUT        "output"
#define WEIR_USAGE_COST          "cost"          /* millionths of a dollar */

/* fields of a webhook's delivery */
#define WEIR_HOOK_TOKEN          "token"
#define WEIR_HOOK_OWNER          "owner"
#define WEIR_HOOK_URL            "url"
#define WEIR_HOOK_SECRET         "secret"
#define WEIR_HOOK_BODY           "body"
#define WEIR_HOOK_TRIES          "tries"
#define WEIR_HOOK_AT             "at"
#define WEIR_HOOK_STATUS         "status"
#define WEIR_HOOK_ERROR          "error"
#define WEIR_HOOK_STATE          "state"
#define WEIR_HOOK_TRACE          "trace"

/* what "state" of a delivery says; missing: it is not over */
#define WEIR_DELIVERY_DONE       "delivered"
#define WEIR_DELIVERY_FAILED     "failed"
#define WEIR_DELIVERY_DISABLED   "disabled"

/* fields of an entry of a ready stream: a hint to run, nothing more */
#define WEIR_ENTRY_RUN           "run"
#define WEIR_ENTRY_GEN           "gen"

/* fields of an entry of the control stream */
#define WEIR_CONTROL_OP          "op"
#define WEIR_CONTROL_RUN         "run"
#define WEIR_CONTROL_CANCEL      "cancel"        /* look at this run */
#define WEIR_CONTROL_QUEUE       "queue"         /* look at "paused" */
#define WEIR_CONTROL_LEFT        "left"          /* does anybody want it? */
#define WEIR_CONTROL_STREAM      "stream"        /* somebody reads it */

/* fields of an entry of a run's events, of which each has one; an end may have
 * the last too */
#define WEIR_EVENT_START_FIELD   "start"         /* the attempt */
#define WEIR_EVENT_DELTAS_FIELD  "d"
#define WEIR_EVENT_OVER_FIELD    "over"          /* why */
#define WEIR_EVENT_END_FIELD     "end"           /* the id before it */

/* the id of the end of a stream */
#define WEIR_EVENT_LAST          "18446744073709551615-1"

/* a field of an idempotency key: the n-th job that it stood for, and what the
 * field holds: id, "by", fingerprint */
#define WEIR_IDEM_JOB            "job:%lld"
#define WEIR_IDEM_JOB_PREFIX     "job:"

/* a field of a question: its n-th run, and what the field holds: id, "by", and
 * a word once it was submitted */
#define WEIR_ASK_RUN             "run:%lld"
#define WEIR_ASK_RUN_PREFIX      "run:"
#define WEIR_ASK_SUBMITTED       "run"

/* fields of an entry of the purges, and the marks: what was purged */
#define WEIR_PURGE_MARK          "mark"
#define WEIR_PURGE_AT            "at"
#define WEIR_MARK_ALL            "all"
#define WEIR_MARK_QUESTION       "key:%.*s"      /* digest */
#define WEIR_MARK_OWNER          "owner:%.*s"
#define WEIR_MARK_MODEL          "model:%.*s"
#define WEIR_MARK_CLASS          "class:%.*s"
#define WEIR_MARK_TAG            "tag:%.*s"

/* what the register of a key's job, or of a question's run, holds: told to
 * another request, or given up */
#define WEIR_FATE_KEPT           "kept"
#define WEIR_FATE_GIVEN_UP       "edge"

/* a member of the dead letters and of the outbox: token, id */
#define WEIR_OUTBOX_MEMBER       "%s:%s"

/* a member of the delayed set: class, generation, run */
#define WEIR_DELAYED_MEMBER      "%s:%lld:%s"

/* classes: the suffix of the ready streams, most urgent first */
#define WEIR_CLASS_HIGH          "high"
#define WEIR_CLASS_NORMAL        "normal"
#define WEIR_CLASS_LOW           "low"

/* the register "fin" holds "<state>:<token>" */
#define WEIR_STATE_COMPLETED     "completed"
#define WEIR_STATE_FAILED        "failed"
#define WEIR_STATE_CANCELLED     "cancelled"
#define WEIR_STATE_EXPIRED       "expired"

/* states that no register holds: they follow from the others */
#define WEIR_STATE_QUEUED        "queued"
#define WEIR_STATE_IN_PROGRESS   "in_progress"

/* tokens of those who finalise without having run: see the contract */
#define WEIR_TOKEN_OWNER         "owner"         /* the client cancelled */
#define WEIR_TOKEN_OPERATOR      "operator"      /* the operator did */
#define WEIR_TOKEN_EDGE          "edge"          /* submission given up */
#define WEIR_TOKEN_LATE          "late"          /* arrived after "by" */
#define WEIR_TOKEN_REAPER        "reaper"        /* past its deadline */
#define WEIR_TOKEN_LEFT          "left"          /* nobody wants it any more */

/* a token is generation * this + deliveries of the entry */
#define WEIR_TOKEN_GENERATION    1000000

/* limits */
#define WEIR_MAIL_BODY_MAX       2048       /* bytes of outcome in a message */
#define WEIR_DEADLINE_DEFAULT    86400      /* s */
#define WEIR_DEADLINE_MAX        2592000    /* s, from the submission */
#define WEIR_LIST_MAX            10000      /* jobs in an owner's list */
#define WEIR_DEAD_MAX            10000      /* dead letters */
#define WEIR_CONTROL_MAX         1000       /* entries, about */
#define WEIR_RESERVED            5000       /* ms that a ticket outlives "by" */
#define WEIR_SETTLE_GRACE        60000      /* ms past a run's deadline */
#define WEIR_SETTLE_CUT          5000       /* ms from the end of a run to the
                                               word of what it had used */
#define WEIR_TTL_RESERVED        60         /* s, a key's without a job */
#define WEIR_TTL_DEFAULT         3600       /* s, result and records */
#define WEIR_TTL_TOMBSTONE       86400      /* s, a cancelled run's register */
#define WEIR_TTL_RECORDS         86400      /* s, records outlive the result */
#define WEIR_TTL_DEAD            604800     /* s, a dead letter */
#define WEIR_TTL_HOOK            345600     /* s, a delivery that goes on */
#define WEIR_TTL_HOOK_DONE       86400      /* s, one that was taken */
#define WEIR_TTL_ENDPOINT        604800     /* s, an endpoint that is gone */
#define WEIR_TTL_LIST            2678400    /* s, an owner's list, unused */
#define WEIR_TTL_WAITING         600        /* s, the set of mailboxes */
#define WEIR_TTL_USAGE           34560000   /* s, a day's ledger: 400 days */
#define WEIR_TTL_LIMIT           60         /* s: a state outlives itself */
#define WEIR_NEWS_MAX            1000       /* entries, about */
#define WEIR_ENDED_SOON          5000       /* ms to the first look at a run */
#define WEIR_ENDED_GRACE         60000      /* ms past a run's deadline */
#define WEIR_TTL_ASKERS          172800     /* s, after the last one wants it */
#define WEIR_TTL_ASKED           600        /* s, a question's run, at least */
#define WEIR_ANSWER_MAX          2592000    /* s, an answer with its windows */
#define WEIR_TTL_ANSWERS_AT      3600       /* s, told at each pass */
#define WEIR_TTL_MARKS           2678400    /* s, marks outlive answers */
#define WEIR_PURGES_MAX          1000       /* entries, about */
#define WEIR_TTL_EVENTS          600        /* s, from the end of the run */
#define WEIR_TTL_EVENTS_WHILE    60         /* s, where nobody comes back */
#define WEIR_TTL_READERS         600        /* s, from the last arrival */
#define WEIR_OUTCOME_MAX         (32 * 1024 * 1024)


#endif /* WEIR_CONTRACT_H */
