# A changed key file works without a reload: a new key gets in and a revoked
# one stays out within about a second, in every process; a broken file changes
# nothing and is told once.

use strict;
use warnings;

use lib 't/lib';
use Test::More;
use Time::HiRes qw(time);
use Weir::Stack;

my $stack = Weir::Stack->new(location => 'weir_api;',
    server => 'location = /metrics { weir_metrics; }');

$stack->start('redis', 'nginx');

my $file = $stack->dir . '/keys';
my $own = $stack->key;


sub status {
    my ($key) = @_;

    return $stack->ask('/v1/none', no_key => 1,
                       headers => ["X-API-Key: $key"])->status;
}


# Sees it in both processes: twenty answers in a row on connections of their
# own, of which nginx gives each process some.

sub becomes {
    my ($key, $status, $name) = @_;

    my $start = time;
    my $row = 0;

    $stack->wait_for(10, sub {
        $row = status($key) == $status ? $row + 1 : 0;
        return $row >= 20;
    }, $name);

    cmp_ok(time - $start, '<', 2.5, "$name: in time");
}


sub metric {
    my ($name) = @_;

    my $c = $stack->ask('/metrics', no_key => 1);

    return $c->body =~ /^$name (\d+)/m ? $1 : die;
}


sub reloads { metric('weir_key_file_reloads_total') }


sub revoke {
    my ($key) = @_;

    my ($id) = $key =~ /^weir_[a-z0-9]+_([^_]+)_/;
    system('sh', '-c', 'exec "$@" 2>> "$0"', $stack->dir . '/keys.log',
           "$stack->{build}/weir", 'keys', 'revoke', '--file', $file, $id) == 0
        or die 'revoke';
}


sub said { scalar(() = $stack->log('nginx') =~ /has changed and is not good/g) }


is(status($own), 404, 'a key from the start');


# created and revoked, again and again

for my $n (1, 2) {
    my $key = $stack->create_key("owner-$n", 'submit,read');

    becomes($key, 404, "key $n, created");
    revoke($key);
    becomes($key, 401, "key $n, revoked");
}

is(status($own), 404, 'the first key has worked all the time');

$stack->wait_for(5, sub { reloads() == 8 }, 'two processes, four changes');


# a file that is broken

my $good = Weir::Stack::slurp($file);
my $before = reloads();

for my $bad ("v1:nonsense\n", "$good$good", "\0\xff\n", "v2:x\n$good") {
    my $told = said();

    Weir::Stack::write_file("$file.new", $bad);
    rename "$file.new", $file or die;

    $stack->wait_for(5, sub { said() == $told + 2 }, 'told by two processes');
    is(status($own), 404, 'the keys read before stay in force');
}

# told once: a second and more goes by until a good change is seen

my $told = said();
is(reloads(), $before, 'and nothing was read');

Weir::Stack::write_file("$file.new", $good);
rename "$file.new", $file or die;
$stack->wait_for(5, sub { reloads() == $before + 2 }, 'a good file again');
is(said(), $told, 'each broken file was told once');
unlike($stack->log('nginx'), qr/[A-Za-z0-9+\/]{43}/, 'no digest in the log');


# broken, and one second later still broken: told no more

Weir::Stack::append($file, "nonsense\n");
$stack->wait_for(5, sub { said() == $told + 2 }, 'broken in place');

# a held request is looked up every two seconds, the file each second

my $held = $stack->request('/v1/jobs', headers => ['Prefer: wait=60'],
    body => '{"request":{"model":"m","messages":[{"role":"user",'
            . '"content":"Hi"}]}}');
$stack->wait_for(10, sub { metric('weir_rechecks_total') >= 2 },
                 'seconds go by');
$held->close;
is(said(), $told + 2, 'told once');
is(status($own), 404, 'the keys stay in force');


# an unreadable or missing file changes nothing

rename $file, "$file.away" or die;
is(status($own), 404, 'no file: the keys stay in force');
Weir::Stack::write_file("$file.new", $good);
rename "$file.new", $file or die;
$stack->wait_for(5, sub { reloads() == $before + 4 }, 'and there it is');

# the pepper counts too, as soon as the key file is read

my $pepper = Weir::Stack::slurp($stack->dir . '/pepper');
Weir::Stack::write_file($stack->dir . '/pepper', '');
Weir::Stack::write_file("$file.new", "$good#\n");
rename "$file.new", $file or die;
$stack->wait_for(5, sub { said() == $told + 4 }, 'an empty pepper is told');
is(status($own), 404, 'the keys stay in force');
Weir::Stack::write_file($stack->dir . '/pepper', $pepper);


# an empty file revokes all; a reload does the same as waiting

Weir::Stack::write_file("$file.new", "# nobody\n");
rename "$file.new", $file or die;
becomes($own, 401, 'an empty file');

Weir::Stack::write_file("$file.new", $good);
rename "$file.new", $file or die;
my @old = $stack->children('nginx');
$stack->signal('nginx', 'HUP');
$stack->wait_for(10, sub {
    my %now = map { $_ => 1 } $stack->children('nginx');
    return !grep { $now{$_} } @old;
}, 'new processes');
is(status($own), 404, 'a reload reads the file');

$stack->end;

done_testing();
