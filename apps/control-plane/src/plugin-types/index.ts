export { marksOf } from './lint-type.ts';
export { missingType } from './plugin-types.service.ts';
export { pluginTypesRoutes } from './plugin-types.routes.ts';
export { holdType, type TypeRow } from './plugin-types.store.ts';
export { secretsInClear } from './secret-names.ts';
export { nameablePath, validateConfig, type Misfit } from './validate-config.ts';
