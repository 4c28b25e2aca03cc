"""Abbreviations everybody in software knows, and those a field knows: whom to ask what they mean. Pure data."""

from types import MappingProxyType

from fleetlog.runtime.scenarios.review.findings import CODE_REVIEWER, FRONTEND, SECURITY

__all__ = ["EVERYDAY", "FIELDS"]

EVERYDAY = frozenset(
    """
    AI AM API APIS ASCII AWS BASH BST CAD CC CD CEO CET CHF CI CLI CPU CRUD CSS CST CSV CTO DB DEV DNS DNA EDT EG EOF
    EST ETA EU EUR FAQ FIFO FIXME FTP GB GBP GCP GET GIF GIT GMT GPS GPU GUI HDD HEAD HTML HTTP HTTPS ID IDE IDS IE IO
    IOS IP ISBN ISO IT JPEG JPG JPY JS JSON JVM KB LAN LIFO LTS MAC MAY MB MD MIT MP MUST NB NOT NOTE OK OOP OPTIONS OR
    ORM OS PATCH PC PDF PDT PHP PIN PM PNG POST PR PRS PST PUT QA RAM README REST RFC RPC SDK SHALL SHOULD SMS SQL SSD
    SSH SVG SVN TB TBA TBC TBD TCP TODO TOML TS TV UDP UI UK UN UNIX URI URL URLS US USA USB USD UTC UTF UUID UX VM VPN
    WIFI WWW XML XXX YAML YML ZIP AND ALL ANY FOR NEW NO NULL OFF ON RECOMMENDED REQUIRED OPTIONAL TRUE FALSE YES DELETE
    SELECT INSERT UPDATE FROM WHERE TABLE INDEX TRACE CONNECT WARN WARNING INFO DEBUG ERROR CRITICAL FATAL IBM NASA
    MVP KPI ROI HR VS TL DR EOD FYI ASAP PS QR MIME LRU GNU BSD GPL LGPL LINUX TTY AC DC MHZ GHZ KM KG
    """.split()
)
"""Not worth explaining in a spec; and words that are written in capitals for other reasons."""

_FRONTEND = """
    ARIA: Accessible Rich Internet Applications; WCAG: Web Content Accessibility Guidelines; DOM: Document Object Model;
    SSR: server-side rendering; CSR: client-side rendering; SPA: single-page application; PWA: progressive web app;
    CDN: content delivery network; LCP: largest contentful paint; CLS: cumulative layout shift; JSX: JavaScript XML;
    INP: interaction to next paint; FCP: first contentful paint; TTFB: time to first byte; RTL: right to left;
    BFF: backend for frontend; AJAX: asynchronous requests; CMS: content management system; WYSIWYG: what you see;
    SEO: search engine optimisation; MDX: Markdown with JSX; HMR: hot module replacement; RUM: real user monitoring
"""
_SECURITY = """
    TLS: Transport Layer Security; SSL: Secure Sockets Layer; MFA: multi-factor authentication; XSS: cross-site scripting;
    CSRF: cross-site request forgery; CSP: Content Security Policy; CORS: cross-origin resource sharing;
    JWT: JSON Web Token; SSO: single sign-on; SAML: Security Assertion Markup Language; OIDC: OpenID Connect;
    RBAC: role-based access control; ABAC: attribute-based access control; ACL: access control list;
    PII: personally identifiable information; GDPR: General Data Protection Regulation; HMAC: keyed hash;
    AES: Advanced Encryption Standard; RSA: Rivest-Shamir-Adleman; KMS: key management service; WAF: web firewall;
    HSM: hardware security module; SSRF: server-side request forgery; IAM: identity and access management;
    OTP: one-time password; TOTP: time-based one-time password; DOS: denial of service; DDOS: denial of service;
    CVE: Common Vulnerabilities and Exposures; PKCE: Proof Key for Code Exchange; OWASP: the web security project;
    PCI: the payment cards' standard; SOC: the audit standard; HSTS: HTTP Strict Transport Security; CA: certificate authority;
    HIPAA: the health data act; DPIA: data protection impact assessment; MITM: man in the middle; SHA: secure hash
"""
_CODE = """
    SLA: service level agreement; SLO: service level objective; SLI: service level indicator; TTL: time to live;
    CQRS: command query responsibility segregation; DDD: domain-driven design; ACID: transactions' guarantees;
    ETL: extract, transform, load; GRPC: remote calls; LB: load balancer; MQ: message queue; WAL: write-ahead log;
    OLTP: transactions; OLAP: analytics; RPO: recovery point objective; RTO: recovery time objective; DLQ: dead-letter queue;
    AZ: availability zone; VPC: virtual private cloud; NFS: network file system; S3: object storage; EC2: machines; SQS: queue;
    SNS: notices; RDS: database; K8S: Kubernetes; ADR: architecture decision record; AST: abstract syntax tree;
    FIPS: standards; CAP: consistency, availability, partition; QPS: queries a second; RPS: requests a second;
    GC: garbage collection; IPC: inter-process communication; SSE: server-sent events; POC: proof of concept;
    ERD: entity relationship diagram; UML: Unified Modeling Language; TDD: test-driven development
"""


def _read(text: str) -> dict[str, str]:
    pairs = (entry.partition(":") for entry in text.split(";"))
    return {term.strip(): " ".join(meaning.split()) for term, _, meaning in pairs}


FIELDS = MappingProxyType({FRONTEND: _read(_FRONTEND), SECURITY: _read(_SECURITY), CODE_REVIEWER: _read(_CODE)})
"""Reviewer -> term -> what it means in that field."""
