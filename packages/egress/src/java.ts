/**
 * Makes Java trust an authority. Java has its own stores, which only its `keytool` can read
 * reliably. It is part of every Java since 9, and of every JDK. The original content of a store is
 * saved for the next authority. It needs the function `rooted`: a Java that others than root can change is not run.
 *
 * @param folder the folder for the saved stores
 * @param authorityFile the authority's certificate
 */
export const trustInJava = (folder: string, authorityFile: string): string => `
java_homes= java_stores=
trust_in_java() {
  [ -x "$1/bin/keytool" ] || return 0
  home=$(readlink -f "$1") || return 0
  case "$java_homes " in *" $home "*) return 0 ;; esac
  java_homes="$java_homes $home"
  rooted "$home/bin/keytool" || return 0
  for found in "$home/lib/security/cacerts" "$home/jre/lib/security/cacerts"; do
    [ -f "$found" ] && rooted "$found" || continue
    store=$(readlink -f "$found") || continue
    case "$java_stores " in *" $store "*) continue ;; esac
    java_stores="$java_stores $store"
    own=${folder}/java-own$(printf %s "$store" | tr / -)
    [ -f "$own" ] || cp "$store" "$own"
    cp "$own" "$own.new"
    # A store that wants another password stays as it is.
    ! JAVA_TOOL_OPTIONS= _JAVA_OPTIONS= CLASSPATH= "$home/bin/keytool" -J-Xmx64m -J-XX:+UseSerialGC -J-XX:TieredStopAtLevel=1 -importcert -noprompt \\
      -alias cordon-egress -file ${authorityFile} -keystore "$own.new" -storepass changeit >/dev/null 2>&1 ||
      cat "$own.new" >"$store"
    rm -f "$own.new"
  done
}
java=$(readlink -f "$(command -v java || :)" || :)
for java_home in "\${JAVA_HOME:-}" "\${java%/bin/java}" "\${java%/jre/bin/java}" /usr/lib/jvm/* /usr/java/* /opt/java/*; do
  [ -z "$java_home" ] || trust_in_java "$java_home"
done
`

/** The variable that makes every Java VM use a proxy. The VM prints a note about it on standard error. */
export const javaOptions = (host: string, port: number): string =>
  ["http", "https"]
    .map((protocol) => `-D${protocol}.proxyHost=${host} -D${protocol}.proxyPort=${port}`)
    .join(" ")
