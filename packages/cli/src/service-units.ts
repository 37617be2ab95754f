import { type ListenAddress, listenText } from './config-values.ts'
import { SOCKET_NAME } from './inherited-socket.ts'

/** Whose systemd it is: the machine's, or that of one user. */
export type ServiceScope = 'system' | 'user'

export interface ServicePlan {
  scope: ServiceScope
  /** Of both units, without what follows the dot. */
  name: string
  /** Absolute, as all paths here; without control characters. */
  directory: string
  /** The Node and the mux that run now. */
  program: readonly [node: string, mux: string]
  /** Where programs are searched. */
  path: string
  /** An IP address, and a port that is not 0. */
  listen: ListenAddress
  /** Who runs it, by name or number; undefined where the manager's own user does. */
  user: string | undefined
  /** Milliseconds that mux may take to end, and, after a crash, to begin. */
  limit: number
  /** Whether this systemd knows DelegateSubgroup= (from 254 on; others warn of it). */
  knowsSubgroup: boolean
}

/** Seconds without a sign of life after which mux is taken to hang. */
const WATCHDOG = 30
const BACKLOG = 4096

/** The line by which a file is known as ours, and for which project. */
export function mark(directory: string): string {
  return `# Written by "mux service install" for ${directory}`
}

/** The socket unit (systemd.socket(5)): open before mux runs, and while it is started again. */
export function socketUnit({ name, directory, listen }: ServicePlan): string {
  return `${mark(directory)}
# After a change of edge.listen in mux.yaml: mux service install, then restart both units.

[Unit]
Description=Where mux for ${specifiers(directory)} is reached

[Socket]
ListenStream=${listenText(listen)}
# By this name mux knows it, should others be added.
FileDescriptorName=${SOCKET_NAME}
# So many may wait while mux is started again; the machine may allow fewer (net.core.somaxconn).
Backlog=${BACKLOG}
# The address may come up after this socket.
FreeBind=yes
Service=${name}.service

[Install]
WantedBy=sockets.target
`
}

/** The service unit (systemd.service(5), systemd.exec(5)). */
export function serviceUnit(plan: ServicePlan): string {
  const { scope, name, directory, program, path, user, limit } = plan
  const seconds = Math.ceil(limit / 1000)
  return `${mark(directory)}
# Stopping ends mux and every instance, as "mux down" does; requests that come are held by ${name}.socket, and start it
# again. To stop both: systemctl ${scope === 'user' ? '--user ' : ''}stop ${name}.socket ${name}.service

[Unit]
Description=mux for ${specifiers(directory)}
Requires=${name}.socket
After=${name}.socket network.target
# Never given up: what keeps mux from starting may be put right at any time, and until then people wait in the socket.
StartLimitIntervalSec=0

[Service]
Type=notify
# mux tells systemd by systemd-notify, a process of its own.
NotifyAccess=all
ExecStart=${[...program, 'up', '--project', directory].map(argument).join(' ')}
WorkingDirectory=${specifiers(directory)}
# The search path of whoever installed this: systemd's own does not have a virtualenv or a version manager in it.
Environment=${quoted(`PATH=${specifiers(path)}`)}
${user === undefined ? '' : `# Who owns the project; mux and its instances get no other rights.\nUser=${user}\n`}\
# A clean end (mux down) stays one. 2, 3, 4, 6: wrong usage, nothing there, in use, refused: again would be no better.
Restart=on-failure
RestartPreventExitStatus=2 3 4 6
RestartSec=1s
# Only mux gets the signal, and it ends its instances. When it is killed instead, they go on, for the next mux to find.
KillMode=process
TimeoutStartSec=${seconds}s
TimeoutStopSec=${seconds}s
# mux keeps each instance in a control group of its own, out of which nothing of it gets, below the one of this service.
Delegate=memory pids
${plan.knowsSubgroup ? '# mux itself in one beside them, or the kernel would not let it bound their memory.\nDelegateSubgroup=supervisor\n' : ''}\
# One instance that runs out of memory is no reason to stop the others.
OOMPolicy=continue
# mux gives a sign of life while it answers requests. A hung one is killed without a core file, which would hold secrets.
WatchdogSec=${WATCHDOG}s
WatchdogSignal=SIGKILL

# Hardening, as far as any application bears it.
# No rights by way of setuid programs such as sudo.
NoNewPrivileges=yes
# Nothing can take all of the processor.
RestrictRealtime=yes
# Calls of this machine's own kind only, and no change of that.
SystemCallArchitectures=native
LockPersonality=yes
# The network and this machine; no raw packets, no kernel interfaces.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
${scope === 'system' ? systemHardening(plan) : ''}\
# Left out on purpose, because there are applications that it breaks: MemoryDenyWriteExecute (all that compile as they
# run), ProtectHome and PrivateTmp (projects and sockets are there), PrivateDevices (graphics), RestrictNamespaces
# (sandboxes of browsers), RestrictSUIDSGID (uploads into group directories), UMask (files for a web server).

[Install]
WantedBy=${scope === 'system' ? 'multi-user.target' : 'default.target'}
`
}

/** What only the machine's systemd can do everywhere: the one of a user may have no right to mount. */
function systemHardening({ user, directory }: ServicePlan): string {
  const capabilities =
    user === undefined || user === 'root'
      ? ''
      : '# Nothing of what root may.\nCapabilityBoundingSet=\nAmbientCapabilities=\n'
  return `# The programs and the configuration of the machine cannot be written (/usr, /boot, /etc), the project can.
ProtectSystem=full
ReadWritePaths=${quoted(specifiers(directory))}
# Nor can its clock, name, kernel settings, modules and log.
ProtectClock=yes
ProtectHostname=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
${capabilities}`
}

/** One word of a command line: nothing in it is expanded. */
function argument(text: string): string {
  const literal = specifiers(text).replaceAll('$', '$$$$')
  return PLAIN.test(literal) ? literal : quoted(literal)
}

const PLAIN = /^[A-Za-z0-9%$._/:@+,-]+$/

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`
}

function specifiers(text: string): string {
  return text.replaceAll('%', '%%')
}
