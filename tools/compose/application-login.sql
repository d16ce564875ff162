-- Run once, when the database is made: the login of the application. It owns nothing, and may do nothing but connect
-- until the owner's migrations admit it. What is read here verifies its password, and does not tell it.
\set verifier `cat /secrets/postgres-login/verifier`
CREATE ROLE sallyport_server LOGIN PASSWORD :'verifier';
