# The key store when Redis says what it should not, or is another Redis after a
# reload: no crash, no way in, and a good answer as soon as there is one.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Keys;
use Weir::RedisProxy;
use Weir::Stack;
use Weir::Tool;

my $real = Weir::Stack->new;
my $d = $real->dir;

$real->keys;

my $stack = Weir::Stack->new(
    edge_of => $real, processes => 1,
    weir_redis => "unix:$d/proxy.sock timeout=400ms connect_timeout=400ms",
    key_conf => "weir_key_store pepper=$d/pepper zone=keys:256k;",
    location => 'weir_auth on; return 200 "$weir_owner";',
    server => 'location /metrics { weir_metrics; }');

$real->start('redis');

my $proxy = Weir::RedisProxy->new(path => "$d/proxy.sock",
                                  to => "$d/redis.sock");
my $keys = Weir::Keys->new(pepper => "$d/pepper");

$stack->start('nginx');


sub put {
    my ($where, $owner, @more) = @_;

    my ($key, $line) = $keys->make($owner, @more);
    my ($id) = $key =~ /^weir_live_([^_]+)_/;

    $where->redis('SET', "weir:{keys}:key:$id", $line =~ s/\n//r);
    $where->redis('INCR', 'weir:{keys}:changes');
    $where->redis(qw(XADD weir:{keys}:news * id), $id);

    return $key;
}

sub name { 'weir:{keys}:key:' . ($_[0] =~ /^weir_live_([^_]+)_/)[0] }

sub status {
    my ($key) = @_;

    return $stack->ask('/', no_key => 1,
                       headers => ["X-API-Key: $key"])->status;
}

sub metric {
    my ($name) = @_;

    my ($n) = $stack->ask('/metrics', no_key => 1)->body
              =~ /^weir_\Q$name\E (\d+)$/m or die "no $name";
    return $n;
}

$stack->wait_for(5, sub { metric('key_polls_total') > 0 }, 'polls');


# answers to the question for a record

my $other = put($real, 'mallory');
my $line = $real->redis('GET', name($other));

for ([':1', ":1\r\n", 503], ['an array', "*0\r\n", 503],
     ['an empty string', "\$0\r\n\r\n", 503],
     ['nil', "\$-1\r\n", 401], ['a nil array', "*-1\r\n", 401],
     ['OK', "+OK\r\n", 503], ['-LOADING', "-LOADING x\r\n", 503],
     ['-MOVED', "-MOVED 1 127.0.0.1:1\r\n", 503], ['-OOM', "-OOM x\r\n", 503],
     ['-WRONGTYPE', "-WRONGTYPE x\r\n", 503],
     ['NUL bytes', "\$4\r\n\0\0\0\0\r\n", 503],
     ['a long one', '$9000' . "\r\n" . 'v' x 9000 . "\r\n", 503],
     ["another key's", '$' . length($line) . "\r\n$line\r\n", 503])
{
    my ($name, $reply, $want) = @$_;
    my $key = put($real, 'alice');

    $proxy->rules({ on => 'GET', with => name($key), reply => $reply,
                    times => 1 });
    is(status($key), $want, "the record is $name");
    $proxy->rules();
    $stack->wait_for(5, sub { status($key) == 200 }, "after $name");
}

my $key = put($real, 'alice');
$proxy->rules({ on => 'GET', with => name($key), lose => 1, times => 1 });
is(status($key), 503, 'the connection is lost');
$proxy->rules();
$stack->wait_for(5, sub { status($key) == 200 }, 'after it');


# answers to the question for news: the cache proves nothing, each request asks

sub bulk { map { '$' . length($_) . "\r\n$_\r\n" } @_ }

my $id = ($key =~ /^weir_live_([^_]+)_/)[0];

for (['an array of nothing', "*0\r\n"], ['a number', ":1\r\n"],
     ['numbers', "*2\r\n:5\r\n:6\r\n"], ['nil', "*-1\r\n"],
     ['a count that is none', "*2\r\n\$1\r\nx\r\n*0\r\n"],
     ['a count below nothing', "*2\r\n\$2\r\n-5\r\n*0\r\n"],
     ['no entries', "*2\r\n\$1\r\n7\r\n:1\r\n"],
     ['an entry that is none', "*2\r\n\$1\r\n7\r\n*1\r\n:1\r\n"],
     ['an entry without fields', "*2\r\n\$1\r\n7\r\n*1\r\n*1\r\n"
                                 . join('', bulk('1-1'))],
     ['an id that is none', "*2\r\n\$1\r\n7\r\n*1\r\n*2\r\n"
                            . join('', bulk('1-1')) . "*2\r\n"
                            . join('', bulk('id', 'short'))],
     ['an entry of a long name', "*2\r\n\$1\r\n7\r\n*1\r\n*2\r\n"
                                 . join('', bulk('9' x 200)) . "*2\r\n"
                                 . join('', bulk('id', $id))])
{
    my ($name, $reply) = @$_;

    is(status($key), 200, "before $name");
    $proxy->rules({ on => 'EXEC', with => 'XRANGE', reply => $reply });

    for (1 .. 2) {
        $proxy->forget;
        $proxy->wait_command(5, 'EXEC', 'XRANGE') or die 'no poll';
    }

    is(status($key), 200, "the news are $name");
    $proxy->rules();

    my $revoked = put($real, 'carol');
    is(status($revoked), 200, 'a new key');
    my $revoked_id = ($revoked =~ /^weir_live_([^_]+)_/)[0];
    my $old = $real->redis('GET', "weir:{keys}:key:$revoked_id");
    $real->redis('SET', "weir:{keys}:key:$revoked_id", "$old:revoked=1");
    $real->redis('INCR', 'weir:{keys}:changes');
    $real->redis(qw(XADD weir:{keys}:news * id), $revoked_id);
    $stack->wait_for(1.5, sub { status($revoked) == 401 },
                     "revoked after $name");
}


# another Redis after a reload: what the first one said is not known any more

my $second = Weir::Stack->new;
$second->start('redis');

my $there = put($second, 'bob');
is(status($key), 200, 'the first Redis');
is(status($there), 401, 'which does not know the key of the second');

my $conf = Weir::Stack::slurp($stack->dir . '/nginx.conf');
my $socket = $second->dir . '/redis.sock';
$conf =~ s/weir_redis unix:\S+/weir_redis unix:$socket/ or die;
Weir::Stack::write_file($stack->dir . '/nginx.conf', $conf);

$second->signal('redis', 'STOP');

my %before = map { $_ => 1 } $stack->children('nginx');
$stack->signal('nginx', 'HUP');
$stack->wait_for(10, sub {
    my @now = $stack->children('nginx');
    @now && !grep { $before{$_} } @now;
}, 'new processes');

is(status($key), 503, 'what the first Redis said does not count any more');
$second->signal('redis', 'CONT');
$stack->wait_for(5, sub { status($there) == 200 }, 'the second Redis');
is(status($key), 401, 'does not know the key of the first');

$stack->expect(qr/cannot be used|does not give API keys|cannot be read/);
$_->end for $stack, $second, $real;

done_testing();
