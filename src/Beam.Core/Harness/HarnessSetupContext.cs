using Microsoft.Extensions.Logging;

namespace Beam.Harness;

internal sealed class HarnessSetupContext(SdkHarnessOptions options, SharedObjects shared, ILoggerFactory loggers) : SetupContext
{
    public override PipelineOptions Options => options.PipelineOptions;

    public override string WorkerId => options.WorkerId;

    public override string WorkDirectory => options.WorkDirectory;

    public override ILoggerFactory LoggerFactory => loggers;

    public override T GetShared<T>(string key, Func<T> create) => shared.Get(key, create);
}
