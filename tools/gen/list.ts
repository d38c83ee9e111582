/** THE list of generated files; `npm run gen` writes them, the gate compares. */
import type { Generated } from './generated.ts'
import { levelsDrawing } from './levels.ts'

export const generatedFiles: readonly Generated[] = [levelsDrawing]
