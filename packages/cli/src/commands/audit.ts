import { resolve } from 'node:path'
import { UsageError } from '@imhotep/base'
import { packAuditLogs, readSealSigner, readSealVerifier, sealAudit, verifyAuditChain } from '@imhotep/kernel'
import { contextKey } from '../audit/context-key.ts'
import { defineCommand } from '../command.ts'
import type { Context } from '../context.ts'
import { printAudit, type AuditData } from '../output/audit.ts'
import { readText } from '../project/read-text.ts'
import { withTarget } from '../target/open-target.ts'

export const audit = defineCommand<AuditData>({
  name: 'audit',
  summary: 'seal the audit log, prove that nobody changed it, or pack its old months',
  description:
    'seal: closes the range of audit rows written since the last seal and chains its hash to the one before; with --key it ' +
    'signs each seal, so that who can rewrite the database cannot make new ones. ' +
    'verify: computes every seal again and names each row that was changed, removed or inserted. ' +
    'Exit code 1 when one was, or when with --public-key a signature does not hold. Rows behind the last seal are counted as ' +
    'not sealed yet. ' +
    'pack: compresses the months that ended 90 days ago, reads them back and drops them; may be stopped and run again. ' +
    'With --key it signs the seals that it makes; where seals are signed it makes none without. ' +
    'Where the database works for signed contexts only, IMHOTEP_CONTEXT_KEY holds a key of core.context_keys, name:hex.',
  arguments: [{ name: '<action>', description: 'what to do', choices: ['verify', 'seal', 'pack'] }],
  options: [
    { flags: '--key <file>', description: 'seal, pack: Ed25519 private key in PEM form that signs' },
    { flags: '--public-key <file>', description: 'verify: public keys of those who signed, in PEM form, old ones too' },
  ],
  examples: [
    { run: 'imhotep audit seal', does: 'seal what was written since the last time' },
    { run: 'imhotep audit verify', does: 'prove that no audit row was changed' },
    { run: 'imhotep audit verify --public-key seal-key.pub', does: 'prove that our key signed every seal as well' },
    { run: 'imhotep audit pack', does: 'compress the months that ended 90 days ago' },
  ],
  run: (context) => {
    const [action] = context.args
    const signer = readKeyFile(context, 'key', action !== 'verify', readSealSigner)
    const verifier = readKeyFile(context, 'publicKey', action === 'verify', readSealVerifier)
    const key = contextKey(context.env)
    return withTarget(
      context,
      async ({ db, target }) => {
        if (action === 'seal') {
          return { ok: true, target, data: { action: 'seal' as const, logs: await sealAudit(db, signer, key) } }
        }
        if (action === 'pack') {
          return {
            ok: true,
            target,
            data: { action: 'pack' as const, months: await packAuditLogs(db, { signer, contextKey: key }) },
          }
        }
        const logs = await verifyAuditChain(db, verifier, key)
        const ok = logs.every(({ problems }) => problems.length === 0)
        return { ok, target, data: { action: 'verify' as const, logs } }
      },
      { interruptible: action === 'verify' },
    )
  },
  print: printAudit,
})

/** The key that an option names; an option of another action is told. */
function readKeyFile<T>(
  context: Context,
  option: 'key' | 'publicKey',
  allowed: boolean,
  read: (pem: string) => T,
): T | undefined {
  const file = context.options.text(option)
  if (file === undefined) return undefined
  if (!allowed) {
    const [flag, action] = option === 'key' ? ['--key', 'seal or pack'] : ['--public-key', 'verify']
    throw new UsageError(`${flag} is for: imhotep audit ${action}`, { hint: 'leave it out' })
  }
  return read(readText(resolve(context.cwd, file)))
}
