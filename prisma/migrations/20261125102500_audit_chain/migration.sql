-- AlterTable
ALTER TABLE "audit_events" ADD COLUMN     "seq" BIGSERIAL NOT NULL;

-- CreateTable
CREATE TABLE "audit_links" (
    "position" BIGINT NOT NULL,
    "event_seq" BIGINT NOT NULL,
    "hash" BYTEA NOT NULL,

    CONSTRAINT "audit_links_pkey" PRIMARY KEY ("position")
);

-- CreateTable
CREATE TABLE "audit_checkpoints" (
    "id" UUID NOT NULL,
    "size" BIGINT NOT NULL,
    "hash" BYTEA NOT NULL,
    "note" TEXT NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "audit_checkpoints_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "audit_signing_keys" (
    "id" UUID NOT NULL,
    "name" TEXT NOT NULL,
    "public_key" JSONB NOT NULL,
    "sealed_private_key" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "audit_signing_keys_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "audit_progress" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "low_water" BIGINT NOT NULL,

    CONSTRAINT "audit_progress_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "audit_links_event_seq_key" ON "audit_links"("event_seq");

-- CreateIndex
CREATE INDEX "audit_checkpoints_size_idx" ON "audit_checkpoints"("size");

-- CreateIndex
CREATE UNIQUE INDEX "audit_signing_keys_name_key" ON "audit_signing_keys"("name");

-- CreateIndex
CREATE UNIQUE INDEX "audit_events_seq_key" ON "audit_events"("seq");

-- CreateIndex
CREATE INDEX "audit_events_subject_idx" ON "audit_events"("subject");

-- CreateIndex
CREATE INDEX "audit_events_request_id_idx" ON "audit_events"("request_id");

-- An event takes its number after its transaction has an id, so that a number which nobody has used when a
-- transaction of a later id was seen to be over is one that nobody will. The sequencer relies on it.
CREATE FUNCTION audit_announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_current_xact_id();
  PERFORM pg_notify('sallyport_audit', '');
  RETURN NULL;
END $$;
CREATE TRIGGER audit_events_announce BEFORE INSERT ON "audit_events"
  FOR EACH STATEMENT EXECUTE FUNCTION audit_announce();

-- Nobody changes what was recorded, its owner neither. Only retention takes away, and only by its own function.
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  callers text;
BEGIN
  GET DIAGNOSTICS callers = PG_CONTEXT;
  IF TG_OP = 'DELETE' AND TG_TABLE_NAME <> 'audit_checkpoints'
     AND callers ~ '\n[^\n"]* (public\.)?audit_drop_segment\(bigint,timestamp with time zone\) ' THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION '% is not changed once it is written', TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_events_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_events"
  FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_links_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_links"
  FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_checkpoints_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_checkpoints"
  FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();

-- Drops the chain up to a checkpoint, when all of it is older than `cutoff`, which must be a month ago or more.
-- The last link stays, so that the chain goes on from it.
CREATE FUNCTION audit_drop_segment(up_to bigint, cutoff timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  dropped bigint;
BEGIN
  IF cutoff > now() - interval '30 days' THEN
    RAISE EXCEPTION 'audit events are kept for 30 days at least' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF NOT EXISTS (SELECT FROM public.audit_checkpoints c
                   JOIN public.audit_links l ON l.position = c.size AND l.hash = c.hash
                  WHERE c.size = up_to) THEN
    RAISE EXCEPTION 'no checkpoint ends a segment at %', up_to USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF NOT EXISTS (SELECT FROM public.audit_links WHERE position > up_to) THEN
    RAISE EXCEPTION 'the last link of the audit is not dropped' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF EXISTS (SELECT FROM public.audit_links l JOIN public.audit_events e ON e.seq = l.event_seq
              WHERE l.position <= up_to AND e.at >= cutoff) THEN
    RAISE EXCEPTION 'the segment has events that are kept' USING ERRCODE = 'insufficient_privilege';
  END IF;
  DELETE FROM public.audit_events e USING public.audit_links l WHERE l.position <= up_to AND e.seq = l.event_seq;
  DELETE FROM public.audit_links WHERE position <= up_to;
  GET DIAGNOSTICS dropped = ROW_COUNT;
  RETURN dropped;
END $$;

-- The application runs as a role that owns nothing. Roles belong to the cluster: another database may make
-- the same one at the same time.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'sallyport_app') THEN
    BEGIN
      CREATE ROLE sallyport_app NOLOGIN;
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END IF;
  IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN RETURN; END IF;
  FOR attempt IN 1..20 LOOP
    BEGIN
      EXECUTE format('GRANT sallyport_app TO %I', current_user);
      RETURN;
    EXCEPTION
      WHEN internal_error OR unique_violation THEN PERFORM pg_sleep(0.05);
      WHEN insufficient_privilege THEN
        IF pg_has_role(current_user, 'sallyport_app', 'MEMBER') THEN RETURN; END IF;
        RAISE;
    END;
  END LOOP;
  RAISE EXCEPTION 'the role sallyport_app could not be granted to %', current_user;
END $$;

GRANT USAGE ON SCHEMA public TO sallyport_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO sallyport_app;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO sallyport_app;
-- For the tables of migrations to come.
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO sallyport_app;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO sallyport_app;

REVOKE ALL ON "audit_events", "audit_links", "audit_checkpoints" FROM sallyport_app;
GRANT SELECT ON "audit_events", "audit_links", "audit_checkpoints" TO sallyport_app;
-- All but `seq`, which nobody may choose.
GRANT INSERT ("id", "at", "actor_kind", "actor_id", "actor_name", "action", "subject", "group_id", "outcome",
              "address", "request_id", "details") ON "audit_events" TO sallyport_app;
GRANT INSERT ON "audit_links", "audit_checkpoints" TO sallyport_app;
REVOKE ALL ON FUNCTION audit_drop_segment(bigint, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_drop_segment(bigint, timestamptz) TO sallyport_app;
DO $$
BEGIN
  IF to_regclass('public._prisma_migrations') IS NOT NULL THEN
    REVOKE ALL ON public._prisma_migrations FROM sallyport_app;
  END IF;
END $$;
