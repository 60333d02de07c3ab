"""The wordings by which agent CLIs and their providers fail, in one table. Data only; `classify` applies it.

Each wording says where it comes from. Of a line the first row that matches counts, so the order says what outweighs
what: spent money outweighs the status 429 that comes with it, and anything outweighs a broken connection.
"""

from __future__ import annotations

from wf_cli.runtimes.failures.patterns import SESSION_LOST, http, rows
from wf_cli.runtimes.failures.wordings_abroad import ABROAD

WORDINGS = (
    *SESSION_LOST,
    *ABROAD,
    # this machine; before "quota exceeded"
    *rows(
        "disk_full",
        (r"\bENOSPC\b|no space left on device", "Node, Bun"),
        (r"\bEDQUOT\b|disk quota exceeded", "Node, Bun"),
        (r"database or disk is full|\bSQLITE_FULL\b", "SQLite, where OpenCode keeps its sessions"),
    ),
    *rows(
        "disk_error",
        (r"disk I/O error|\bSQLITE_IOERR", "SQLite"),
        (r"\bEROFS\b|read-only file system", "Node, Bun"),
    ),
    # no waiting helps; before the limits, since Cursor says "[resource_exhausted] Please update .."
    *rows(
        "outdated",
        (
            r"\b(?:please|must|need to|have to|you should) (?:update|upgrade)\b[^.]{0,60}\b(?:latest|newer|new|recent)\b"
            r"[^.]{0,20}\b(?:version|release|build|app|cli)\b",
            "Cursor '[resource_exhausted] Please update to the latest version to continue using the Agent'; Codex",
        ),
        (r"\b(?:update|upgrade) (?:\w+ ){0,4}to continue\b", "Cursor; Windsurf"),
        (
            r"\b(?:requires|needs) (?:a |an )?(?:newer|more recent|updated?|later)\b.{0,40}\b(?:version|release)?",
            "Codex 'requires a newer version of Codex'; Claude Code 'your version .. needs an update'",
        ),
        (
            r"\b(?:version|client|cli|app|build)\b.{0,40}\b(?:is |are )?(?:no longer (?:supported|accepted|allowed)"
            r"|unsupported|too old|out[- ]of[- ]date|outdated|obsolete|end[- ]of[- ]life)",
            "GitHub Copilot; Amazon Q; Gemini CLI",
        ),
        (r"\b(?:version|client) is below the minimum|\bminimum (?:supported|required) (?:client )?version", "clouds"),
        (
            r"\b(?:update|upgrade) required\b(?! to (?:pro|plus|max))|\bforced? (?:update|upgrade)\b",
            "HTTP 426; Cline",
        ),
        (http("426"), "HTTP"),
    ),
    # models that this plan does not include; before "upgrade"
    *rows(
        "model_not_found",
        (r"\bnamed models unavailable|\bfree plans can only use\b", "Cursor, ActionRequiredError of a free plan"),
        (r"\bcannot use this model\b", "Cursor 'Cannot use this model: X. Available models: ..'"),
    ),
    # money and allowances
    *rows(
        "usage_limit",
        (r"\busage limits?\b", "Cursor 'You've hit your usage limit' (cursor/cursor 3703); Codex; Z.AI; Anthropic"),
        (r"\busage_limit_(?:reached|exceeded)|\busage_not_included\b", "Codex"),
        (r"UsageLimitError\b|\bfree usage exceeded", "OpenCode Zen and Go (anomalyco/opencode 50079)"),
        (
            r"\bhit your (?!.{0,20}\brate)(?:[\w-]+ ){0,3}limit\b",
            "Claude Code 'You've hit your limit · resets 6:20pm'",
        ),
        (
            r"\b(?:\d{1,3}[- ]?hours?|daily|weekly|monthly|session)(?:/\w+)? (?:usage |request )?limit"
            r" (?:is |was |has been )?(?:reached|exhausted|exceeded)",
            "Claude Code '5-hour limit reached ∙ resets 1am'; Z.AI 1310 'Weekly/Monthly Limit Exhausted'",
        ),
        (r"\bout of (?:usage|credits|budget|funds)\b", "Cursor, ActionRequiredError of a paid plan"),
        (r"\bincrease limits for faster responses", "the same, where the rest stands on another line"),
        (r"insufficient[ _](?:quota|funds|credits?|balance)", "OpenAI; OpenCode Zen, with 401"),
        (r"\bcredit balance (?:is too low|exhausted)|\busage balance exhausted", "Anthropic; Grok"),
        (r"\bquota (?:is |was |has been )?(?:exceeded|exhausted)", "OpenCode's words for insufficient_quota; Gemini"),
        (
            r"\bexceeded your (?:(?:current|monthly|daily|weekly|included|plan'?s?) )*"
            r"(?:quota|budget|balance|credits?|allowance|usage|spend\w*|plan)",
            "OpenAI, Gemini 'You exceeded your current quota, please check your plan and billing details'",
        ),
        (
            r"\b(?:reached|hit|exceeded|exhausted|used up|used all of|consumed|depleted) "
            r"(?:all (?:of )?)?(?:your|this month'?s|today'?s|the account'?s) (?!.{0,30}\b(?:rate|context|tokens? (?:limit|count"
            r"|window)))(?:[\w.'’-]+ ){0,5}(?:limits?|allowance|quota|credits?|usage|requests)\b",
            "GitHub Copilot 'exceeded your premium request allowance'; Gemini CLI 'daily gemini-2.5-pro quota limit'",
        ),
        (
            r"\b(?:reached|hit|exceeded) the (?:\w+ )?limits? (?:of|for|on) (?:your|this|the) (?:\w+ )?(?:plan|account|tier"
            r"|subscription)",
            "Eigent; Augment",
        ),
        (
            r"\b(?:allowance|credits?|quota|free tier|prepa(?:id|yment) \w+)\b (?:for .{1,30} )?(?:is|are|has been|have been"
            r"|was|were)(?: all)? (?:used(?: up)?|exhausted|depleted|spent|gone|exceeded|consumed)\b",
            "GitHub Copilot; Gemini 'Your prepayment credits are depleted'",
        ),
        (
            r"\b(?:no|not enough|run out of|ran out of|insufficient|0) (?:more |remaining |paid |free |premium |ai )*"
            r"(?:credits?|quota|allowance|premium requests|balance|funds|flex credits)\b",
            "Windsurf; Augment; OpenRouter; Amp",
        ),
        (
            r"\b(?:purchase|buy|top up|enable) (?:more |additional |extra |paid |your )*(?:credits?|balance|premium requests"
            r"|overages|usage|billing)\b",
            "GitHub Copilot 'Enable additional paid premium requests'; Windsurf",
        ),
        (
            r"\b(?:no|not have an?|without an?|requires? an?|need an?) (?:(?:active|valid|paid|current|coding) )+"
            r"(?:\w+ )?(?:subscription|plan|license|seat)\b",
            "Kimi; Copilot 'does not have an active subscription'; Claude Code",
        ),
        (
            r"\b(?:subscription|plan|license|trial|seat) (?:has |is |was |has been |was not |is not )?(?:expired|ended|lapsed"
            r"|inactive|active|required|cancell?ed|not found|past due|over\b)(?! on)",
            "Z.AI; Cursor 'Your trial has ended'; Kimi",
        ),
        (
            r"\bpayment (?:is |was |has )?(?:overdue|past due|failed|declined|method (?:is )?required)|\bunpaid invoice"
            r"|\bbilling (?:is |has )?(?:not |been )?(?:enabled|disabled|active)\b(?<!is enabled)|\barrearage\b",
            "Cursor; Google; Alibaba 'Arrearage: ..'",
        ),
        (
            r"\bquota (?:limit|metric)\b|\b(?:daily|monthly|weekly|hourly) (?:[\w.-]+ ){0,3}(?:quota|allowance)\b.{0,30}"
            r"\b(?:reach|exceed|exhaust|hit|used)\w*",
            "Gemini CLI; Google Cloud",
        ),
        (r"\bspend(?:ing)?[ _]limit\b", "Cursor"),
        (r"\bbilling[ _](?:hard[ _])?limit", "OpenAI"),
        (r"\bpayment required\b|\brequires more credits|\badd credits\b", "HTTP; OpenRouter; OpenCode Zen"),
        (r"\bupgrade (?:your plan|to (?:pro|plus|max|go)\b)", "Cursor; Codex"),
        (http("402"), "HTTP"),
    ),
    # more than the model takes; before the limits of rates
    *rows(
        "crashed",
        (r"\b(?:prompt|input|request|context)(?: \w+)? (?:is )?too (?:long|large)\b", "Anthropic; Bedrock; OpenAI"),
        (r"\bcontext[ _](?:length|window|limit)[ _](?:is |was |has been )?exceeded", "OpenAI; in general"),
        (r"\bcontext window exceeds limit", "MiniMax"),
        (
            r"(?:exceed\w*|greater than|larger than) (?:(?:the|this|its|model|model's|your|maximum|available|max) )*"
            r"(?:context|input|prompt|token)[ _](?:window|length|size|limit|count)",
            "OpenAI 'exceeds the context window'; llama.cpp; LM Studio; vLLM; Anthropic",
        ),
        (r"\btoken count\b.{0,40}\bexceeds the (?:limit|maximum)", "Gemini; Copilot (anomalyco/opencode 2464)"),
        (r"\bmaximum (?:context|prompt) length is \d", "OpenAI, OpenRouter, vLLM, xAI"),
        (r"\breduce the length of (?:the|your) (?:messages|prompt|input)", "Groq (anomalyco/opencode 1551)"),
        (r"\bexceeded model token limit", "Moonshot"),
        (r"\brequest entity too large\b", "HTTP 413"),
        (r"\bContextOverflow", "OpenCode"),
        session_over=True,
    ),
    *rows(
        "rate_limited",
        (r"\btoo[ _]many[ _](?:concurrent )?requests\b|\btoomanyrequests\b", "AI SDK; HTTP"),
        (r"\bconcurrency limit\b", "Z.AI"),
        (
            r"\brate[ _-]?limit(?:s|ed)?\b.{0,60}?\b(?:reach\w*|exceed\w*|hit|exhaust\w*|try again|retry|wait)",
            "OpenAI 'Rate limit reached for ..'; OpenCode",
        ),
        (
            r"\b(?:reach\w*|exceed\w*|hit|over)\b.{0,40}\brate[ _-]?limits?\b",
            "Anthropic 'would exceed your account's rate limit'; GitHub Copilot",
        ),
        (
            r"\b(?:Throttling|Throttled|TooManyRequests|RequestLimitExceeded|SlowDown)(?:Exception|Error)\b"
            r"|\bThrottling\.\w+|\brequests? (?:(?:was|were|is|are|has been|have been|being) )throttled",
            "AWS Bedrock; Alibaba 'Throttling.RateQuota'",
        ),
        (
            r"\btoo many (?:tokens|connections|sessions|concurrent \w+)\b(?=.{0,20}\b(?:wait|slow|try|later|reduce)\b|\W*$)",
            "AWS Bedrock 'Too many tokens, please wait before trying again'",
        ),
        (r"\brate exceeded\b|\brequest(?:s)? limit exceeded\b|\bLimitExceededException\b", "AWS"),
        (
            r"\b(?:requests|tokens) per (?:min(?:ute)?|day|hour|second)\b.{0,40}\b(?:exceed|reach|exhaust|limit)\w*",
            "Groq; Azure OpenAI",
        ),
        (r"\b(?:please )?slow down\b", "Moonshot; S3"),
        (r"\brate_limit_(?:error|exceeded)\b|\bRateLimitError\b", "Anthropic; OpenAI; LiteLLM"),
        (r"\b(?:been|is|are|were) rate[ _-]?limited\b", "GitHub Copilot 'you have been rate-limited'"),
        (r"^\W*(?:error\W+)?rate[ _-]?limit(?:ed)?\W*$", "OpenCode 'Rate Limited'"),
        (r"\bresource[ _](?:was |has been )?exhausted\b", "Cursor '[resource_exhausted] Error' (zed 54735); Gemini"),
        (http("429") + r"|\b429 too many\b", "HTTP; Claude Code 'API Error: Request rejected (429)'"),
    ),
    # for a short time
    *rows(
        "overloaded",
        (
            r"\boverload(?:ed)?(?:_error)?\b(?! (?:function|method|operator|signature))",
            "Anthropic; Gemini 'The model is overloaded'; Moonshot",
        ),
        (
            r"\b(?:at|over|out of|no|not enough|insufficient|exceeded|limited) (?:model |available |our |serving )*capacity\b",
            "xAI; Vertex; Bedrock",
        ),
        (
            r"\b(?:server|service|system|model|engine|provider|upstream)s? (?:is|are) (?:currently |too |very )*busy\b",
            "DeepSeek; in general",
        ),
        (
            r"\b(?:experiencing|due to|under|unusually) (?:very |unusually |extremely )*(?:high|heavy) (?:demand|load|traffic|usage)",
            "Cursor; Claude; OpenAI",
        ),
        (r"\bModelNotReadyException|\bEngineOverloaded", "AWS Bedrock; Moonshot"),
        (http("529") + r"|\b529 (?:overloaded|\{)", "Anthropic"),
    ),
    *rows(
        "auth",
        (
            r"\bauthentication (?:is )?required\b",
            "Cursor \"Authentication required. Please run 'agent login' first\"",
        ),
        (r"\bnot (?:logged|signed) in\b|\bplease (?:log ?in|sign in)\b", "Cursor"),
        (r"\bplease run .{0,40}\blog ?in\b|\brun [`'\"]?(?:[\w-]+ ){1,2}login\b", "Cursor; OpenCode"),
        (
            r"\b(?:invalid|incorrect|missing|expired|no|bad) (?:x-)?(?:api|o?auth\w*|access|bearer|refresh|session)[ _-]?(?:key|token)\b",
            "OpenAI; Anthropic 'invalid x-api-key'; agent CLIs",
        ),
        (
            r"\b(?:api|access)[ _-]?key (?:is )?(?:missing|invalid|not valid|expired|not found|required|not set)",
            "AI SDK 'OpenAI API key is missing'; Gemini; Cursor 'The provided API key is invalid'",
        ),
        (
            r"\b(?:keys?|tokens?|credentials?)\b.{0,40}\b(?:reported as )?(?:leaked|compromised|deactivated|suspended|disabled"
            r"|blocked|revoked|expired|rejected|deleted)\b",
            "Gemini 'Your API key was reported as leaked'; OpenAI",
        ),
        (
            r"\bkey(?:chain|ring)\b.{0,80}\b(?:locked|not found|no password|not available|unavailable|cannot|could not|failed|denied|not"
            r" allowed|error)\b|\b(?:locked|cannot|could not|failed to|unable to|not (?:be )?found in)\b.{0,60}\bkey(?:chain|ring)\b",
            "macOS keychain; Cursor; Claude Code",
        ),
        (
            r"\bno password found\b|\bSecKeychain\w+|\berrSec\w+|\buser interaction is not allowed\b|\blibsecret\b"
            r"|\borg\.freedesktop\.secrets?\b|\bsecret service\b",
            "macOS; Linux desktops; Amazon Q",
        ),
        (
            r"\bcredentials?\b.{0,60}\b(?:only authori[sz]ed|not authori[sz]ed|cannot be used|can't be used|invalid|missing|required"
            r"|not (?:be )?found|could not)\b|\b(?:no|invalid|missing|could not load|unable to locate|expired)(?: \w+){0,3} credentials\b",
            "Anthropic, of a subscription's token; AWS; Google",
        ),
        (
            r"\bauth(?:ori[sz]ation|entication)? header\b.{0,40}\b(?:bad|badly|mal|invalid|missing|required|incorrect|wrong|empty|not)"
            r"|\b(?:bad|invalid|missing|malformed) (?:\w+ )?auth(?:ori[sz]ation|entication)? header\b",
            "GitHub Copilot 'Authorization header is badly formatted'",
        ),
        (
            r"\btoken (?:exchange|refresh|request|renewal|validation) (?:has )?(?:failed|error)"
            r"|\b(?:failed|unable|could not|cannot) (?:to )?(?:exchange|refresh|obtain|acquire|retrieve|renew|get) "
            r"(?:an? |the |your |new )*(?:\w+ )?(?:tokens?|credentials?)\b",
            "Cursor; GitHub Copilot; Gemini CLI",
        ),
        (
            r"\bauthentication is (?:currently )?not (?:allowed|supported|configured)|\bno auth(?:entication)? (?:\w+ )?"
            r"(?:found|method|type|information|configured)|\bset an auth(?:entication)? method\b"
            r"|\bre-?auth(?:enticate|enticat\w+|ori[sz]e)\b|\b(?:login|log-in|sign-in|log in|sign in) (?:is )?(?:required|again|to continue"
            r"|expired|first)\b",
            "Anthropic; Copilot CLI 'No authentication information found'; Gemini CLI",
        ),
        (
            r"\baccount (?:has been |is |was |has )?(?:suspended|disabled|deactivated|banned|locked|blocked|terminated|restricted)\b"
            r"|\bnot support using .{1,30} subscriptions?\b|\bnot authori[sz]ed to use\b|\bdoes not have access to (?:claude|copilot|cursor"
            r"|gemini|codex)\b|\baccess denied by policy",
            "Claude Code; GitHub Copilot; claude-agent-acp 421",
        ),
        (
            r"\b(?:ExpiredToken|UnrecognizedClient|AccessDenied|InvalidSignature|CredentialsProvider)(?:Exception|Error)?\b"
            r"|\bsecurity token\b.{0,40}\b(?:expired|invalid)|\binvalid_(?:client|token)\b|\bcould not load the default credentials",
            "AWS; Google; OAuth",
        ),
        (r"\bapi[ _-]?key header is required|LoadAPIKeyError", "Anthropic; AI SDK"),
        (r"\bmissing environment variable: `?\w+_(?:API_)?(?:KEY|TOKEN)\b", "Codex, of a provider's env_key"),
        (r"\b(?:token|oauth session) (?:is |has |was |has been )?(?:expired|revoked|invalidated)", "logins by OAuth"),
        (r"\btoken refresh failed|\bfailed to authenticate|\binvalid_grant\b", "logins by OAuth"),
        (r"\bauthentication[_ ](?:error|failed)\b|\bProviderAuthError\b", "Anthropic; OpenCode"),
        (r"\bunauthenticated\b|\bpermission_(?:error|denied)\b", "Connect, so Cursor; Anthropic"),
        (r"\bunauthori[sz]ed\b(?=\W*$|:|,|\"| \(|\. | error)", "AI SDK 'Unauthorized'"),
        (r"\bforbidden: |^\W*(?:error\W+)?forbidden\W*$", "AI SDK 'Forbidden'; OpenCode behind a gateway"),
        (r"\b40[13] (?:unauthori[sz]ed|forbidden)", "HTTP"),
        (r"\borganization has been disabled|\baccess paused for this organization", "Anthropic; OpenCode Zen"),
        (r"\btoo many (?:computers|free trial accounts) used\b", "Cursor: an account or a machine is blocked"),
        (http("401|403"), "HTTP"),
    ),
    *rows(
        "model_not_found",
        (r"ModelNotFound|NoSuchModelError|\bmodel_not_found\b", "OpenCode; AI SDK; OpenAI"),
        (r"\b(?:unknown|invalid|no such|unsupported) (?:model|provider)\b", "agent CLIs"),
        (r"\bmodel name is not valid|\bnot a valid model\b", "Cursor ACP 'AI Model Not Found'; OpenRouter"),
        (r"\bno endpoints found for\b", "OpenRouter"),
        (
            r"\bmodels?[ /:]*[\"'`]?[\w./:@\[\]=,-]{0,80}[\"'`]? (?:was |is |could )?"
            r"(?:not (?:be )?found|does not exist|not (?:available|supported|valid)\b)",
            "OpenAI 'The model `x` does not exist or you do not have access to it'; OpenCode; Gemini; Copilot",
        ),
        (r"\bmodel\b.{0,80}\bmay not exist\b", "Claude Code"),
        (r"\b(?:not|does ?n[o']t) have access to (?:the )?model\b", "OpenAI, with 403"),
        (r"\bnot_found_error\b.{0,40}\bmodel:", "Anthropic"),
        (r"\bprovider (?:[\"'`]?[\w.-]{1,80}[\"'`]? )?not found\b", "OpenCode"),
    ),
    *rows(
        "policy_denied",
        (r"\bworkspace trust required|\bworkspace is not trusted|\buntrusted workspace", "Cursor"),
        (r"\btrust (?:this|the) (?:workspace|directory|folder)", "Cursor"),
        (r"\b(?:prompt|input) (?:was )?(?:flagged|blocked)|\bprompt triggering\b", "OpenRouter; Azure"),
        (r"\bcontent_policy_violation\b|\bcontent management policy", "OpenAI; Azure"),
        (r"\bviolat\w+ (?:\w+ ){0,3}(?:content|usage) polic", "OpenAI"),
        (r"\bcontent policy\b", "in general"),
        (r"\bblocked by (?:policy|your (?:admin\w*|organi[sz]ation))", "Cursor, for teams"),
        (r"\brejected permission", "OpenCode"),
    ),
    *rows(
        "crashed",
        (r"\boutput (?:was )?blocked by content filter", "Anthropic 'Output blocked by content filtering policy'"),
        (r"\bcontent[ _-]filter(?:ing|ed)?\b|\bresponse was filtered\b", "AI SDK; Azure"),
    ),
    # the way to the provider, and the provider itself
    *rows(
        "network",
        (r"\b(?:ECONN\w+|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|EPIPE|EHOSTUNREACH|ENETUNREACH)\b", "Node, Bun"),
        (r"\bUND_ERR_\w+|\bERR_(?:HTTP2|SSL|TLS)_\w+|\bsecure TLS connection was", "Node, undici"),
        (r"\bsocket hang up|\bother side closed|\bpremature close", "Node, undici"),
        (r"\bfetch failed|\bnetwork error|\bunable to connect|\bcannot connect to\b", "undici; Bun; AI SDK"),
        (r"\bconnection (?:error|refused|reset|closed|lost|failed|stalled)", "agent CLIs"),
        (r"\bsocket connection was closed", "Bun (anomalyco/opencode 23123)"),
        (r"\bstream (?:error|closed|disconnected|ended unexpectedly)", "OpenCode; Codex"),
        (r"(?:^|error)\W{0,4}terminated\W*$", "undici 'TypeError: terminated'"),
        (r"\[unavailable\]|\bconnect error (?:unavailable|aborted|deadline_exceeded|internal)", "Cursor, by Connect"),
        (r"(?:error|: \w):? ?\[(?:aborted|deadline_exceeded|internal|unknown|cancel+ed)\]", "Cursor, by Connect"),
        (r"\btimed? ?out\b|\bgateway time-?out", "in general"),
        (r"\btemporarily unavailable|\bservice[ _]unavailable|\bbad gateway|\binternal server error", "HTTP"),
        (http(r"5\d\d"), "HTTP"),
    ),
)
