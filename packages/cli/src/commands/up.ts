import { UsageError } from '@imhotep/base'
import { isVerified } from '@imhotep/engine'
import { defineCommand } from '../command.ts'
import type { Context } from '../context.ts'
import { printUp, type UpData } from '../output/up.ts'
import { findProject } from '../project/project.ts'
import { ENVIRONMENTS } from '../target/environment.ts'
import { EMBEDDED_VERSIONS, givenUrl, type EmbeddedVersion } from '../target/resolve-url.ts'
import { bringUp } from '../up/bring-up.ts'

export const up = defineCommand<UpData>({
  name: 'up',
  summary: 'bring up the whole database: server, schema, seeds, checks',
  description:
    'Without DATABASE_URL or --url it starts a PostgreSQL server in .imhotep/ of the project. Then it applies db/migration, ' +
    'marks the environment, puts in the system rows and, in development, the demo rows, gives the application role a ' +
    'password, checks every rule and tries to break the isolation. Run it again at any time: it does what is missing.',
  options: [
    {
      flags: '--environment <name>',
      description: 'marker of a new database (default: development); set once',
      choices: ENVIRONMENTS,
    },
    { flags: '--no-demo', description: 'leave the demo rows out' },
    {
      flags: '--postgres <version>',
      description: 'major version of the embedded server (default: 18)',
      choices: EMBEDDED_VERSIONS.map(String),
    },
    { flags: '--port <port>', description: 'port of the embedded server (default: a free one)' },
  ],
  examples: [
    { run: 'imhotep up', does: 'start, install, seed and check' },
    { run: 'imhotep up --environment staging', does: 'a database without demo rows' },
    { run: 'DATABASE_URL=postgres://me@db/his imhotep up', does: 'use a server that is there already' },
  ],
  run: async (context) => {
    const { target, ...data } = await bringUp(findProject(context.cwd), {
      url: givenUrl(context),
      version: version(context),
      port: port(context),
      environment: context.options.text('environment'),
      noDemo: context.options.off('demo'),
      signal: context.signal,
      announce: context.announce,
      progress: context.progress,
    })
    return { ok: isVerified(data.verify), target, data }
  },
  print: printUp,
})

function version({ options }: Context): EmbeddedVersion | undefined {
  const text = options.text('postgres')
  return EMBEDDED_VERSIONS.find((known) => String(known) === text)
}

function port({ options }: Context): number | undefined {
  const text = options.text('port')
  if (text === undefined) return undefined
  const number = Number(text)
  if (Number.isInteger(number) && number > 0 && number < 65_536) return number
  throw new UsageError(`'${text}' is not a port`, { hint: 'choose a number from 1024 to 65535, or leave --port out' })
}
