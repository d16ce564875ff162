#!/bin/sh
# Makes the files of this folder anew, with OpenSSL 3 and the keytool of Java 17. They protect nothing: the
# password of all is "correct horse", and the certificates, of "Fixture …" names alone, end in 2126.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
password='correct horse'
rm -f ./*.p12 ./*.jks ./*.jceks ./*.pem

printf 'basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign\n' >"$work/ca.ext"
printf 'subjectAltName=DNS:fixture.test\nextendedKeyUsage=serverAuth,clientAuth\n' >"$work/leaf.ext"
for name in root ca leaf; do
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/$name.key"
done
request() { openssl req -new -key "$work/$1.key" -subj "/CN=Fixture $1" -out "$work/$1.csr"; }
sign() {
  openssl x509 -req -in "$work/$1.csr" -days 36500 -extfile "$work/$2.ext" -out "$work/$1.pem" \
    -CA "$work/$3.pem" -CAkey "$work/$3.key"
}
openssl req -x509 -key "$work/root.key" -subj '/CN=Fixture root' -days 36500 -out "$work/root.pem"
request ca
sign ca ca root
request leaf
sign leaf leaf ca

# What the files hold, in PEM. openssl pkcs8 encrypts as -v2 says, DES as PKCS#5 1.5 did.
cat "$work/leaf.pem" "$work/ca.pem" >"$work/chain.pem"
cat "$work/root.pem" "$work/ca.pem" >truststore.pem
in_pem() {
  name=$1
  shift
  openssl pkcs8 -topk8 -in "$work/leaf.key" -passout "pass:$password" -out "$work/encrypted.key" "$@"
  cat "$work/chain.pem" "$work/encrypted.key" >"$name.pem"
}
in_pem keystore -nocrypt
in_pem encrypted -v2 aes-256-cbc
in_pem triple-des -v2 des3
in_pem costly -v2 aes-256-cbc -iter 2000000
openssl ec -in "$work/leaf.key" -aes256 -passout "pass:$password" -out "$work/traditional.key"
cat "$work/chain.pem" "$work/traditional.key" >traditional.pem

# PKCS#12, of OpenSSL.
of_openssl() {
  name=$1
  shift
  openssl pkcs12 -export -passout "pass:$password" -out "$name.p12" "$@"
}
of_openssl openssl -in "$work/leaf.pem" -inkey "$work/leaf.key" -certfile "$work/ca.pem"
of_openssl openssl-legacy -in "$work/leaf.pem" -inkey "$work/leaf.key" -certfile "$work/ca.pem" -legacy
of_openssl openssl-truststore -in truststore.pem -nokeys

# PKCS#12, JKS and JCEKS, of keytool. It makes the key itself; the leaf of OpenSSL comes in over PKCS#12.
tool() { keytool "$@" -storepass "$password" -noprompt; }
imported() {
  keytool -importkeystore -srckeystore openssl.p12 -srcstoretype PKCS12 -srcstorepass "$password" -srcalias 1 \
    -destkeystore "$1" -deststoretype "$2" -deststorepass "$password" -destalias server -noprompt
}
trusting() {
  tool -importcert -alias root -file "$work/root.pem" -storetype "$2" -keystore "$1"
  tool -importcert -alias ca -file "$work/ca.pem" -storetype "$2" -keystore "$1"
}
tool -genkeypair -keyalg RSA -keysize 2048 -alias server -dname 'CN=Fixture of Java' -validity 36500 \
  -ext san=dns:fixture.test -storetype PKCS12 -keystore keytool.p12
tool -genkeypair -keyalg RSA -keysize 2048 -alias server -dname 'CN=Fixture of Java' -validity 36500 \
  -ext san=dns:fixture.test -storetype PKCS12 -keystore keytool-legacy.p12 -J-Dkeystore.pkcs12.legacy
trusting keytool-truststore.p12 PKCS12
trusting truststore.jks JKS
trusting truststore.jceks JCEKS
imported keystore.jks JKS
imported keystore.jceks JCEKS
# The key under another password than the file, and two keys in one file: JKS allows both.
imported other-key-password.jks JKS
keytool -keypasswd -alias server -keystore other-key-password.jks -storetype JKS -storepass "$password" \
  -keypass "$password" -new 'battery staple'
imported two-keys.jks JKS
keytool -changealias -alias server -destalias first -keystore two-keys.jks -storetype JKS -storepass "$password" \
  -keypass "$password"
imported two-keys.jks JKS

# The ways out that the errors name, each taken once: what comes out is read as any other file.
openssl pkcs12 -legacy -in openssl-legacy.p12 -passin "pass:$password" -passout "pass:$password" -out "$work/new.pem"
openssl pkcs12 -export -in "$work/new.pem" -passin "pass:$password" -passout "pass:$password" \
  -out was-openssl-legacy.p12
keytool -importkeystore -srckeystore keytool-legacy.p12 -srcstorepass "$password" \
  -destkeystore was-keytool-legacy.p12 -deststoretype PKCS12 -deststorepass "$password"
keytool -importkeystore -srckeystore keystore.jceks -srcstoretype JCEKS -srcstorepass "$password" \
  -destkeystore was-jceks.p12 -deststoretype PKCS12 -deststorepass "$password"
chmod 644 ./*.p12 ./*.jks ./*.jceks ./*.pem
