import { defaultPolicy, isVerified, verifyDatabase } from '@imhotep/engine'
import { defineCommand } from '../command.ts'
import { printVerify, type VerifyData } from '../output/verify.ts'
import { withTarget } from '../target/open-target.ts'

export const verify = defineCommand<VerifyData>({
  name: 'verify',
  summary: 'check the live database against its rules, and try to break them',
  description:
    'Reads the catalog of the database and checks every rule: row level security on, forced and with the one policy text, ' +
    'the tenant in every key, audit triggers, grants, append-only tables. With --attack it also tries, table by table, to reach ' +
    "another tenant's rows as an application would; everything it tries is rolled back. Exit code 1 when a rule of severity " +
    'error is broken or an attempt got through.',
  options: [
    { flags: '--attack', description: "try to reach another tenant's rows; everything is rolled back" },
    { flags: '--role <role>', description: 'attack as this role (default: imhotep_app)' },
  ],
  examples: [
    { run: 'imhotep verify', does: 'check the rules' },
    { run: 'imhotep verify --attack', does: 'check the rules and try to break the isolation' },
    { run: 'imhotep verify --attack --role booking_owner', does: 'attack as the owner of a service' },
  ],
  run: (context) =>
    withTarget(context, async ({ db, target }) => {
      const role = context.options.text('role')
      const data = await verifyDatabase(db, {
        attack: context.options.flag('attack') || role !== undefined ? 'full' : false,
        onProgress: context.progress,
        ...(role === undefined ? {} : { policy: { ...defaultPolicy, attackRole: role } }),
      })
      return { ok: isVerified(data), target, data }
    }),
  print: printVerify,
})
