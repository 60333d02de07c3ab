"""The same wordings in other languages: of providers that answer in their own, and of CLIs that follow the locale."""

from __future__ import annotations

from wf_cli.runtimes.failures.patterns import rows

ABROAD = (
    *rows(
        "outdated",
        (r"请(?:更新|升级)(?:到|至)?最新|版本过低|需要(?:更新|升级)(?:客户端|版本)", "Chinese"),
        (r"最新(?:版|バージョン)に(?:更新|アップデート)|최신 버전으로 업데이트", "Japanese, Korean"),
        (
            r"auf die neueste Version|vers la derni[eè]re version|a la [uú]ltima versi[oó]n|para a vers[aã]o mais recente",
            "European",
        ),
    ),
    *rows(
        "usage_limit",
        (
            r"使用(?:上限|额度|限额)|(?:达到|超出|超过|用完|耗尽)[^,，。]{0,16}(?:上限|限额|额度|配额)|(?:额度|配额|余额|积分|流量)"
            r"(?:已|已经)?(?:不足|用完|用尽|耗尽|超限)|欠费|请充值|(?:没有|无)(?:有效|可用)(?:的)?(?:订阅|套餐|资源包)|(?:订阅|套餐)已(?:过期|到期)",
            "Zhipu 1308 '已达到 5 小时的使用上限', 1113 '余额不足或无可用资源包,请充值'; Alibaba",
        ),
        (r"(?:利用|使用)(?:上限|制限|枠)(?:に達し|を超え)|クレジットが(?:不足|なくなり)|残高が?不足", "Japanese"),
        (r"(?:사용|이용) ?한도(?:에|를|가)|할당량(?:을|이) ?(?:초과|소진)|크레딧이? ?(?:부족|소진)", "Korean"),
        (
            r"\b(?:Nutzungs|Verbrauchs|Ausgaben|Monats|Tages)(?:limit|kontingent|grenze)\b|\bKontingent\b.{0,30}(?:aufgebraucht"
            r"|ersch[oö]pft|[uü]berschritten)|\bGuthaben\b.{0,30}(?:aufgebraucht|zu niedrig|nicht aus)",
            "German",
        ),
        (
            r"\blimite (?:d['’]utilisation|mensuelle|quotidienne)|\bquota\b.{0,20}(?:d[eé]pass[eé]|[eé]puis[eé])"
            r"|\bcr[eé]dits?\b.{0,20}(?:[eé]puis[eé]s?|insuffisants?)",
            "French",
        ),
        (
            r"\bl[ií]mite (?:de uso|mensual|diario|semanal|de gastos?)\b|\b(?:cuota|saldo|cr[eé]ditos?)\b.{0,20}(?:agotad|insuficiente"
            r"|superad|excedid)",
            "Spanish",
        ),
        (
            r"\blimite (?:de uso|mensal|di[aá]rio|semanal)\b|\b(?:cota|saldo|cr[eé]ditos?)\b.{0,20}(?:esgotad|insuficiente|excedid)",
            "Portuguese",
        ),
        (
            r"\blimite (?:di utilizzo|mensile|giornaliero)\b|\b(?:quota|credito)\b.{0,20}(?:esaurit|superat|insufficiente)",
            "Italian",
        ),
        (r"(?:[Лл]имит|[Кк]вот)[^.]{0,40}(?:исчерпан|превышен|достигнут)|[Нн]едостаточно средств", "Russian"),
    ),
    *rows(
        "rate_limited",
        (
            r"速率限制|请求(?:过于频繁|频率|次数过多)|并发数?(?:过高|超|限制)|(?:访问|操作)过于?频繁|限流",
            "Zhipu 1302 '您的账户已达到速率限制'",
        ),
        (r"リクエストが多すぎ|レート制限|요청이 너무 많|요청 한도|속도 제한", "Japanese, Korean"),
        (
            r"\bzu viele Anfragen\b|\btrop de requ[eê]tes\b|\bdemasiadas (?:solicitudes|peticiones)\b|\bmuitas solicita[cç][oõ]es\b"
            r"|\btroppe richieste\b|[Сс]лишком много запросов",
            "European",
        ),
    ),
    *rows(
        "overloaded",
        (r"(?:服务器|系统|服务|模型)(?:当前)?(?:繁忙|过载|负载过高)|访问量过大|算力不足", "Zhipu 1305; DeepSeek"),
        (r"過負荷|混み合って|混雑して|과부하|혼잡", "Japanese, Korean"),
        (r"[uü]berlastet|ausgelastet|surcharg[eé]|sobrecargad|sovraccaric|перегружен", "European"),
    ),
    *rows(
        "auth",
        (
            r"请(?:先|重新)?登录|未登录|登录(?:已)?(?:过期|失效)|(?:令牌|密钥|token|api ?key) ?(?:已)?(?:过期|无效|错误|失效|不正确)|身份验证失败"
            r"|鉴权失败|认证失败|无效的(?:令牌|密钥)",
            "Zhipu 1000, 1002; Moonshot",
        ),
        (
            r"ログイン(?:して|が必要)|認証(?:に失敗|が必要|エラー)|로그인(?:이 필요|하세요|해 ?주세요)|인증(?:에 실패|이 필요|되지)",
            "Japanese, Korean",
        ),
        (
            r"\bnicht (?:angemeldet|eingeloggt)\b|\bAnmeldung erforderlich\b|\bbitte (?:erneut )?anmelden\b|\bnon connect[eé]\b"
            r"|\bveuillez vous (?:re)?connecter\b|\bno has iniciado sesi[oó]n\b|\binicia(?:r)? sesi[oó]n\b|\bfa[cç]a login\b"
            r"|\bn[aã]o autenticado\b|\baccesso richiesto\b|[Нн]е авторизован",
            "European",
        ),
    ),
)
