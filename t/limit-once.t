# Requests at once: whoever leaves gives the place back, however it leaves.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Weir::Burst;
use Weir::Stack;

# an origin that answers when it is told to

my $origin = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 512,
                 LocalPort => Weir::Stack::free_port(), ReuseAddr => 1)
    or die "origin: $!";
my $to = '127.0.0.1:' . $origin->sockport;

my $stack = Weir::Stack->new(processes => 4, http => <<'END', server => <<"END2");
    weir_limit_zone $arg_k zone=two:1m count=requests-at-once max=2;
    weir_limit_zone $arg_k zone=full:32k count=requests-at-once max=1;
    weir_limit_zone $weir_key_id$arg_k zone=mixed:32k count=requests-at-once
                    max=1;
    weir_limit_zone $arg_k zone=rate:1m quota=100/month;
    weir_limit_tier zone=two tier=pro max=3;
END
    location /two { weir_limit zone=two; weir_limit zone=rate;
                    proxy_pass http://$to; }
    location /full { weir_limit zone=full; proxy_pass http://$to; }
    location /mixed { weir_limit zone=mixed; proxy_pass http://$to; }
    location /tenant { weir_auth on; weir_limit zone=mixed;
                       proxy_pass http://$to; }
    location /tier { weir_auth on; weir_limit zone=two;
                     proxy_pass http://$to; }
    location /internal { weir_limit zone=two; rewrite ^ /two last; }
    location = /metrics { weir_metrics; }
END2

$stack->keys;
my $pro = $stack->create_key('pia', 'read', '--tier', 'pro');
$stack->start('nginx');

my @asked;

# opens a request, and waits until the origin has it

sub hold {
    my ($path, %o) = @_;

    my $c = $stack->request($path, no_key => 1, %o);
    my $end = time + 10;

    while (time < $end) {
        my $select = IO::Select->new($origin, $c->{socket});

        for my $ready ($select->can_read(10)) {
            if ($ready == $origin) {
                my $s = $origin->accept;
                sysread $s, my $head, 65536;
                push @asked, $s;
                return ($c, $s);
            }

            $c->read_some;
            return ($c, undef) if $c->done;
        }
    }

    die "hold: $path";
}

sub answer {
    my ($s) = @_;
    print $s "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nup\n";
    close $s;
}

sub get { $stack->ask($_[0], no_key => 1) }

sub metric {
    my ($name, $zone) = @_;
    my ($n) = $stack->ask('/metrics')->body
              =~ /^\Q$name\E\{zone="$zone"[^}]*\} (\d+)$/m or die $name;
    return $n;
}

sub none_left {
    my ($zone, $why) = @_;
    $stack->wait_for(10, sub { metric('weir_limit_zone_keys', $zone) == 0 },
                     $why);
    pass($why);
}


my ($a, $sa) = hold('/two?k=1');
my ($b, $sb) = hold('/two?k=1');

my $c = get('/two?k=1');
is($c->status, 429, 'a third one at once');
is($c->header('Retry-After'), 1, 'may try again in a second');
like($c->header('RateLimit'), qr/^"rate";r=98;t=\d+, "two";r=0$/,
     'of the other limit nothing is taken');
is($c->header('RateLimit-Policy') =~ s/;w=\d+//r,
   '"rate";q=100, "two";q=2;qu="concurrent-requests"', 'policies');

my ($other, $so) = hold('/two?k=2');
answer($so);
$other->wait(10);
is($other->status, 200, 'another key');
like($other->header('RateLimit'), qr/"two";r=1$/, 'has one left');

# a request that ends gives its place back: at an answer, and without one

answer($sa);
ok($a->wait(10), 'the first has its answer');

# the client may have it a moment before nginx is done with the request

$stack->wait_for(5, sub {
    ($a, $sa) = hold('/two?k=1');
    $sa;
}, 'place after an answer');
pass('then there is place again');

$a->close;
$stack->wait_for(10, sub {
    ($a, $sa) = hold('/two?k=1');
    $sa;
}, 'place after a client left');
pass('a client that leaves gives its place back');
answer($_) for $sa, $sb;
$_->wait(10) for $a, $b;
none_left('two', 'in the end nothing is held');

# a tier, a redirect

my @held = map { [hold('/tier?k=t', headers => ["X-API-Key: $pro"])] } 1 .. 3;
is(scalar(grep { $_->[1] } @held), 3, 'a tier with three');
is($stack->ask('/tier?k=t', no_key => 1,
               headers => ["X-API-Key: $pro"])->status, 429, 'not four');
answer($_->[1]) for @held;
$_->[0]->wait(10) for @held;

@held = map { [hold('/internal?k=i')] } 1 .. 2;
is(scalar(grep { $_->[1] } @held), 2, 'a redirect holds one place');
answer($_->[1]) for @held;
$_->[0]->wait(10) for @held;
none_left('two', 'and gives one back');

# killed processes; requests of others stay held

@held = map { [hold('/two?k=x')] } 1 .. 2;
is(get('/two?k=x')->status, 429, 'two are held');

my %before = map { $_ => 1 } $stack->children('nginx');
$stack->kill_child('nginx') for 1 .. 4;
$stack->wait_for(10, sub { !grep { $before{$_} } $stack->children('nginx') },
                 'all new');
none_left('two', 'what killed processes held is given back');
is(metric('weir_limit_zone_resets_total', 'two'), 0, 'without a reset');

# killed in the middle of many: nothing stays

for my $round (1 .. 5) {
    my @c = map { $stack->request("/two?k=r$_", no_key => 1) } 1 .. 100;
    $stack->kill_child('nginx');
    $_->close for @c;
}

while (IO::Select->new($origin)->can_read(0)) { $origin->accept }
none_left('two', 'kills under load');

# a zone of 32k that is full of what is held: nothing is evicted

@asked = ();
my $status = 0;
my @c;

for my $n (1 .. 2000) {
    my ($c, $s) = hold("/full?k=$n");
    push @c, $c;
    $status = $c->status, last if !$s;
}

is($status, 429, 'a full zone refuses: ' . (@c - 1));
is(metric('weir_limit_zone_full_total', 'full'), 1, 'which is counted');
is(metric('weir_limit_zone_evictions_total', 'full'), 0, 'none is evicted');
is(get('/full?k=1')->status, 429, 'the first is still held');
$_->close for @c;
none_left('full', 'all of it comes back');

# of which strangers leave an eighth to those with a key

@asked = ();
@c = ();

for my $n (1 .. 2000) {
    my ($c, $s) = hold("/mixed?k=$n");
    push @c, $c;
    last if !$s;
}

my ($tenant, $st) = hold('/tenant', headers => ['X-API-Key: ' . $stack->key]);
ok($st, 'a tenant finds room: ' . (@c - 1));
$_->close for @c, $tenant;
none_left('mixed', 'all of it comes back');

$stack->end;
done_testing;
