/** Answers HTTP with the file `index.html`, by perl where the image has it, else by busybox. */
export const serve = `
if command -v perl >/dev/null; then
  exec perl -e '
    use IO::Socket::INET;
    my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1:8000", Listen => 8, ReuseAddr => 1);
    while (my $client = $server->accept) {
      while (<$client>) { last if /^\\r?$/ }
      open my $file, "<", "index.html";
      print $client "HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n", <$file>;
      close $client;
    }'
fi
exec busybox httpd -f -p 127.0.0.1:8000 -h .
`
