namespace Beam.Runner.Direct.Translation;

/// <summary>The runner cannot run a pipeline. The message names the transform.</summary>
internal sealed class PipelineTranslationException(string message) : BeamException(message);
