/** THE list of generated files; `npm run gen` writes them, the gate compares. */
import type { Generated } from './generated.ts'
import { controllersTable } from './controllers.ts'
import { levelsDrawing } from './levels.ts'
import { openapiFiles } from './openapi.ts'
import { statesDrawing } from './states.ts'

export const generatedFiles: readonly Generated[] = [levelsDrawing, statesDrawing, controllersTable, ...openapiFiles]
