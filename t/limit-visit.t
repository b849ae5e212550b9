# A request counts once in a zone, whatever becomes of it on its way (RL-31),
# and each stream of HTTP/2 is a request (RL-30).

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Stack;

my $h2 = Weir::Stack::free_port();

my $stack = Weir::Stack->new(http => <<'END', server => <<"END2" . <<'END3');
    weir_limit_zone $http_k zone=five:1m quota=5/month;
    weir_limit_zone $http_k zone=two:1m quota=2/month;
    weir_limit_zone $http_k zone=hundred:1m quota=100/month;
END
    listen 127.0.0.1:$h2 http2;
    http2_max_concurrent_streams 128;
END2
    error_page 418 = @named;
    location /redirect { weir_limit zone=five; rewrite ^ /target last; }
    location /target { weir_limit zone=five; return 200 "target\n"; }
    location /try { weir_limit zone=five; try_files /nothing /target; }
    location /named { weir_limit zone=five; return 418; }
    location @named { weir_limit zone=five; return 200 "named\n"; }

    location /page { weir_limit zone=two; error_page 404 /target;
                     return 404; }
    location /busy { weir_limit zone=two; error_page 429 /sorry;
                     return 200 "busy\n"; }
    location /sorry { weir_limit zone=two; return 200 "sorry\n"; }

    location /ssi { weir_limit zone=five; ssi on; ssi_types *; alias html/ssi; }
    location /part { weir_limit zone=five; alias html/part; }
    location /open-ssi { ssi on; ssi_types *; alias html/twice; }
    location /two { weir_limit zone=two; alias html/part; }

    location /mirror { weir_limit zone=five; mirror /copy; alias html/part; }
    location /copy { internal; weir_limit zone=five; return 204; }
    location /auth { weir_limit zone=five; auth_request /ask;
                     alias html/part; }
    location = /ask { internal; weir_limit zone=five; return 204; }
    location /deny { weir_limit zone=five; auth_request /refuse;
                     alias html/part; }
    location = /refuse { internal; weir_limit zone=two; return 204; }
    location /any { satisfy any; allow all; weir_limit zone=two;
                    alias html/part; }
    location /dry { weir_limit zone=two dry_run; rewrite ^ /target-two last; }
    location /dry-twice { weir_limit zone=two dry_run; rewrite ^ /dry last; }
    location /target-two { weir_limit zone=two; return 200 "target\n"; }
    location /streams { weir_limit zone=hundred; alias html/part; }
END3

my $d = $stack->dir;
mkdir "$d/html";
Weir::Stack::write_file("$d/html/part", "part\n");
Weir::Stack::write_file("$d/html/ssi", join '',
    map { qq(<!--#include virtual="/part" -->) } 1 .. 3);
Weir::Stack::write_file("$d/html/twice", join '',
    map { qq(<!--#include virtual="/two?n=$_" -->) } 1 .. 3);

$stack->start('nginx');

my $n = 0;
sub get { $stack->ask($_[0], no_key => 1, headers => ["K: $_[1]"]) }

sub counted {
    my ($path, $body) = @_;

    my $k = 'k' . ++$n;
    my @c = map { get($path, $k) } 1 .. 6;
    is(join(',', map { $_->status } @c), '200,200,200,200,200,429',
       "$path is counted once");
    is($c[0]->body, $body, "$path: its answer") if defined $body;
    like($c[0]->header('RateLimit'), qr/^"five";r=4;t=\d+$/, 'told once');
}

counted('/redirect', "target\n");
counted('/try', "target\n");
counted('/named', "named\n");
counted('/ssi', "part\n" x 3);
counted('/mirror', "part\n");
counted('/auth', "part\n");

# another zone behind an internal redirect counts for itself

my @c = map { get('/page', 'p') } 1 .. 3;
is(join(',', map { $_->status } @c), '404,404,429', 'before an error page');
is(join(',', map { $_->body } @c[0, 1]), "target\n,target\n", 'its page');
is($c[0]->header('RateLimit') =~ tr/"//, 4, 'both limits are told');

# the page of a refusal is not refused in turn

@c = map { get('/busy', 'b') } 1 .. 4;
is(join(',', map { $_->body } @c), "busy\n,busy\n,sorry\n,sorry\n",
   'an error page of 429');
is($c[2]->status, 429, 'is a 429');
like($c[2]->header('Retry-After'), qr/^\d+$/, 'and says when');
like($c[2]->header('RateLimit'), qr/^"two";r=0;t=\d+$/, 'and why');

# a subrequest that is refused lets no other one through

is(get('/two', 's')->status . get('/two', 's')->status, '200200', 'two are used');
my $c = get('/open-ssi', 's');
is($c->status, 200, 'the page itself has no limit');
unlike($c->body, qr/^part/m, 'all its parts are refused');
ok(!defined $c->header('Retry-After'), 'which is not said of the page');

is(join(',', map { get('/deny', 'd')->status } 1 .. 3), '200,200,500',
   'a refused auth_request is no permission');

is(join(',', map { get('/any', 'a')->status } 1 .. 3), '200,200,429',
   '"satisfy any" does not pass a limit');

# a rule that would only have refused does not stand for one that does

for my $path (qw(/dry /dry-twice)) {
    @c = map { get($path, $path) } 1 .. 4;
    is(join(',', map { $_->status } @c), '200,200,429,429',
       "$path: a dry run before the limit");
}

# RL-30: 110 streams in one write, on one connection of HTTP/2

sub frame {
    my ($type, $flags, $stream, $payload) = @_;
    return substr(pack('N', length $payload), 1)
           . pack('CCN', $type, $flags, $stream) . $payload;
}

sub literal { join '', map { chr(length $_) . $_ } @_ }

my $head = "\x82\x86"                                    # GET, http
           . "\x04" . literal('/streams')
           . join '', map { "\x00" . literal(@$_) } [':authority', 'x'],
                                                    ['k', 'h'];
my $out = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame(4, 0, 0, '');
$out .= frame(1, 5, 2 * $_ + 1, $head) for 0 .. 109;

my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $h2)
    or die "connect: $!";
print $socket $out;
$socket->flush;

my (%status, $in);
my $heads = 0;
local $SIG{ALRM} = sub { die "no answer: $heads heads" };
alarm 20;

while ($heads < 110) {
    sysread $socket, $in, 65536, length $in // 0 or die 'closed';

    while (length $in >= 9) {
        my ($length, $type) = unpack 'NC', "\0$in";
        last if length $in < 9 + $length;
        my $payload = substr $in, 9, $length;
        substr $in, 0, 9 + $length, '';
        next if $type != 1;
        $heads++;
        $payload =~ s/^[\x20-\x3f]+//;                 # the table's size
        $status{$payload =~ /^\x88/ ? 200
                : $payload =~ /^[\x08\x48]\x03(\d+)/ ? $1 : 'none'}++;
    }
}

alarm 0;
close $socket;
is_deeply(\%status, { 200 => 100, 429 => 10 }, 'RL-30: each stream counts');

$stack->end;
done_testing;
