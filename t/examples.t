# The configurations under conf/ are what the documentation shows: nginx and
# the worker must take them as they are.

use strict;
use warnings;

use lib 't/lib';

use Test::More;
use Weir::Stack;
use File::Temp qw(tempdir);
use File::Copy qw(copy);

my $build = $ENV{TEST_NGINX_BUILD} // 'build';
my $nginx = $ENV{TEST_NGINX_BINARY} // '/usr/sbin/nginx';
my $dir = tempdir(CLEANUP => 1);

mkdir "$dir/$_" or die $! for qw(modules logs conf);
symlink "$build/ngx_http_weir_module.so",
    "$dir/modules/ngx_http_weir_module.so" or die $!;

sub run {
    my $out = `$_[0] 2>&1`;
    return ($? >> 8, $out);
}

my ($rc, $out) = run("$build/weir keys create --file $dir/conf/weir-keys "
    . "--pepper $dir/conf/weir-pepper --owner example");
is($rc, 0, 'a key for the example') or diag $out;

for my $conf (glob 'conf/examples/*.conf') {
    my ($name) = $conf =~ m{([^/]+)$};
    copy($conf, "$dir/conf/$name") or die $!;

    next if $name =~ /^worker/;

    ($rc, $out) = Weir::Stack::nginx_test('-q', '-e', "$dir/logs/error.log",
        '-p', $dir, '-c', "$dir/conf/$name");
    is($rc, 0, "nginx takes $conf") or diag $out;
}

for my $conf (glob "$dir/conf/worker*.conf") {
    ($rc, $out) = run("env OPENAI_API_KEY=x ANTHROPIC_API_KEY=x "
        . "$build/weir-worker -t -c $conf");
    is($rc, 0, "the worker takes $conf") or diag $out;
}

done_testing;
