-- CreateIndex
CREATE INDEX "tasks_finished_at_idx" ON "tasks"("finished_at");
