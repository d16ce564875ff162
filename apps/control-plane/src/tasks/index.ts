export { AgentTasks } from './agent-tasks.ts';
export { heldTasksRoutes, tasksRoutes } from './tasks.routes.ts';
export { deleteTasksEndedBefore } from './tasks.store.ts';
