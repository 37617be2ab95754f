/** A mux.yaml that cannot be used: the line in question is the one with `# here`, unless another is given. */
export interface BrokenConfig {
  title: string
  text: string | Buffer
  /** Counted from 1; null: the file as a whole is at fault. */
  line: number | null
  /** What the report has to name besides. */
  names: RegExp
}

const APP = `app: { command: [node, server.mjs], settings: { TITLE: notes } }
`

function broken(title: string, text: string, names: RegExp): BrokenConfig {
  const at = text.split('\n').findIndex((line) => line.includes('# here'))
  if (at < 0) throw new Error(`${title}: no line is marked`)
  return { title, text, names, line: at + 1 }
}

function whole(
  title: string,
  text: string | Buffer,
  names: RegExp,
  line: number | null = null,
): BrokenConfig {
  return { title, text, names, line }
}

export const BROKEN_CONFIGS: BrokenConfig[] = [
  whole('an empty file', '', /empty/, 1),
  whole('nothing but a comment', '# mux\n', /empty|map/, null),
  whole('a text', 'mux\n', /map/, 1),
  whole('a list', '- app\n- pool\n', /map/, 1),
  whole('a bracket that is not closed', `${APP}instances: { django1: {}\n`, /line \d+/),
  whole('a quote that is not closed', `${APP}instances:\n  django1: { settings: { A: "b } }\n`, /line \d+/),
  whole('a tab for indentation', `app:\n\tcommand: node\n`, /tab/, 2),
  whole('a second document', `${APP}---\n${APP}`, /second document/, 2),
  whole('bytes that are no UTF-8', Buffer.from([0x61, 0xff, 0xfe, 0x3a, 0x0a]), /UTF-8/),
  whole('UTF-16', Buffer.from('\ufeffapp: {}\n', 'utf16le'), /UTF-8/),
  whole('more than a mebibyte', `${APP}#${'x'.repeat(1024 * 1024)}\n`, /1 MiB/),
  whole('a byte order mark in the middle', `${APP}\ufeffpool: { max: 3 }\n`, /line \d+/),
  whole('CRLF with a wrong key', `${APP.trim()}\r\npoool: {}\r\n`, /poool.*pool/, 2),
  whole(
    'a thousand aliases',
    `${APP}instances:\n  a: &a {}\n${Array.from({ length: 1000 }, (_, n) => `  b${n}: *a\n`).join('')}`,
    /alias/,
  ),
  whole(
    'a billion laughs',
    `${APP}instances:\n  a0: &a0 { settings: { A: b } }\n${Array.from({ length: 12 }, (_, n) => `  a${n + 1}: &a${n + 1} { settings: [${`*a${n},`.repeat(9)}] }\n`).join('')}`,
    /instances|alias/,
  ),
  broken('an alias of itself', `${APP}instances: &all\n  django1: *all # here\n`, /instances\.django1|alias/),
  broken('an alias of nothing', `${APP}instances:\n  django1: *gone # here\n`, /gone/),
  broken('a key twice at the top', `${APP}pool: { max: 3 }\npool: { max: 4 } # here\n`, /once/),
  broken('an instance twice', `${APP}instances:\n  django1: {}\n  django1: {} # here\n`, /once/),
  broken('a setting twice', `app:\n  command: node\n  settings:\n    A: 1\n    A: 2 # here\n`, /once/),
  broken('an unknown key at the top', `${APP}instanses: {} # here\n`, /instanses.*instances/),
  broken(
    'an unknown key of the application',
    `app:\n  comand: node # here\n  command: node\n`,
    /comand.*command/,
  ),
  broken('an unknown limit', `app:\n  command: node\n  limits:\n    strat: 3s # here\n`, /strat.*start/),
  broken(
    'an unknown key of an instance',
    `${APP}instances:\n  django1: { restarts: replace } # here\n`,
    /restarts.*restart/,
  ),
  broken('__proto__ at the top', `${APP}__proto__: { pool: { max: 1 } } # here\n`, /__proto__/),
  broken('__proto__ as an instance', `${APP}instances:\n  __proto__: {} # here\n`, /__proto__/),
  broken('constructor as a key', `app:\n  command: node\n  constructor: x # here\n`, /constructor/),
  broken('a text for the application', `app: node server.mjs # here\n`, /app.*map/),
  broken('a list for the instances', `${APP}instances: [django1] # here\n`, /instances.*map/),
  broken('a text for an instance', `${APP}instances:\n  django1: yes # here\n`, /instances\.django1.*map/),
  broken(
    'no command',
    `app:\n  health: /ping\ninstances:\n  django1: {} # here\n`,
    /instances\.django1.*command/,
  ),
  broken('an empty command', `app:\n  command: "" # here\n`, /app\.command/),
  broken('a map for a command', `app:\n  command: { run: node } # here\n`, /app\.command/),
  broken('a command with an open quote', `app:\n  command: node 'server.mjs # here\n`, /app\.command/),
  broken('an unknown placeholder', `app:\n  command: node {sokcet} # here\n`, /app\.command.*sokcet/),
  broken(
    'a socket and a port',
    `app: { command: "node {socket} {port}" }\ninstances:\n  django1: {} # here\n`,
    /socket.*port/,
  ),
  broken(
    'a directory that is not there',
    `app:\n  command: node\n  directory: ./nowhere # here\n`,
    /app\.directory.*nowhere/,
  ),
  broken(
    'a list for a setting',
    `app:\n  command: node\n  settings:\n    HOSTS: [a, b] # here\n`,
    /app\.settings\.HOSTS/,
  ),
  broken(
    'a setting without a value',
    `app:\n  command: node\n  settings:\n    HOST: # here\n`,
    /app\.settings\.HOST/,
  ),
  broken(
    'a name that no environment can hold',
    `app:\n  command: node\n  settings:\n    MY-HOST: a # here\n`,
    /MY-HOST/,
  ),
  broken(
    'a setting that is mux’s own',
    `app:\n  command: node\n  settings:\n    MUX_DATA: /tmp # here\n`,
    /MUX_DATA/,
  ),
  broken(
    'a secret outside its directory',
    `app:\n  command: node\n  settings:\n    KEY: { secret: ../../etc/passwd } # here\n`,
    /KEY/,
  ),
  broken('port 65536', `${APP}edge: { listen: "127.0.0.1:65536" } # here\n`, /edge\.listen.*65536/),
  broken('port -1', `${APP}edge: { listen: "127.0.0.1:-1" } # here\n`, /edge\.listen.*-1/),
  broken(
    'an address without a port',
    `${APP}edge: { listen: localhost } # here\n`,
    /edge\.listen.*localhost/,
  ),
  broken('a listener that is no number', `${APP}edge: { listen: .nan } # here\n`, /edge\.listen.*nan/),
  broken(
    'an identity header that is mux’s own',
    `${APP}edge: { identity_header: Mux-Instance } # here\n`,
    /edge\.identity_header/,
  ),
  broken(
    'an identity header that browsers send',
    `${APP}edge: { identity_header: Cookie } # here\n`,
    /edge\.identity_header/,
  ),
  broken('a pool of none', `${APP}pool: { max: 0 } # here\n`, /pool\.max.*"0"/),
  broken('a pool of .nan', `${APP}pool: { max: .nan } # here\n`, /pool\.max/),
  broken('a pool of one and a half', `${APP}pool: { max: 1.5 } # here\n`, /pool\.max.*1\.5/),
  broken('a pool of less than none', `${APP}pool: { max: -1 } # here\n`, /pool\.max.*-1/),
  broken('a pool whose names are all the same', `${APP}pool: { name: django } # here\n`, /pool\.name/),
  broken(
    'a time without a unit',
    `app:\n  command: node\n  limits: { start: 30 } # here\n`,
    /app\.limits\.start.*30/,
  ),
  broken(
    'a time that has passed',
    `app:\n  command: node\n  limits: { drain: -3s } # here\n`,
    /app\.limits\.drain/,
  ),
  broken(
    'a time longer than a timer can be set',
    `app:\n  command: node\n  idle: 365d # here\n`,
    /app\.idle.*365d/,
  ),
  broken(
    'a size without a unit',
    `app:\n  command: node\n  limits: { memory: 512 } # here\n`,
    /app\.limits\.memory/,
  ),
  broken(
    'an endless queue',
    `app:\n  command: node\n  limits: { queue: .inf } # here\n`,
    /app\.limits\.queue/,
  ),
  broken(
    'a restart of no known kind',
    `app:\n  command: node\n  restart: rolling # here\n`,
    /app\.restart.*rolling/,
  ),
  broken('a boot of no known kind', `app:\n  command: node\n  boot: always # here\n`, /app\.boot.*always/),
  broken(
    'a signal that nobody can answer',
    `app:\n  command: node\n  stop_signal: SIGKILL # here\n`,
    /app\.stop_signal/,
  ),
  broken('a health path that is none', `app:\n  command: node\n  health: ping # here\n`, /app\.health.*ping/),
  broken('an instance with a capital', `${APP}instances:\n  Django1: {} # here\n`, /Django1/),
  broken('an instance that is a path', `${APP}instances:\n  ../django1: {} # here\n`, /django1/),
  broken('an instance of 64 characters', `${APP}instances:\n  ${'a'.repeat(64)}: {} # here\n`, /a{20}/),
]
