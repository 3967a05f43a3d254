import type { Command } from '../command.ts'
import { adr } from './adr.ts'
import { audit } from './audit.ts'
import { baseline } from './baseline.ts'
import { bundle } from './bundle.ts'
import { diff } from './diff.ts'
import { down } from './down.ts'
import { drift } from './drift.ts'
import { init } from './init.ts'
import { lint } from './lint.ts'
import { migrate } from './migrate.ts'
import { relay } from './relay.ts'
import { repair } from './repair.ts'
import { seed } from './seed.ts'
import { split } from './split.ts'
import { squash } from './squash.ts'
import { status } from './status.ts'
import { undo } from './undo.ts'
import { up } from './up.ts'
import { verify } from './verify.ts'

/** Every command, in the order of the help. One line a command. */
export const commands: readonly Command[] = [
  up,
  down,
  init,
  migrate,
  status,
  undo,
  repair,
  seed,
  bundle,
  baseline,
  lint,
  diff,
  drift,
  squash,
  verify,
  audit,
  split,
  relay,
  adr,
]
