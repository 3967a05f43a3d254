import { applyMigrations } from './apply-migrations.ts'

// A process of its own for kill-migrations.fixture.ts: says when it begins, then what came of it.

const { url, files } = JSON.parse(process.env['IMHOTEP_TEST_MIGRATE'] ?? '')
process.stdout.write('ready\n')
process.stdout.write(JSON.stringify(await applyMigrations(url, { files })))
